"""Spectrograms as pictures and their overlapping segments."""

import numpy as np
import pytest

from workbench.acoustics import segments, spectrogram


def test_a_tone_stands_in_its_row_at_the_top_of_the_range():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    picture = spectrogram(tone)
    assert picture.shape == (257, 1 + 16000 // 64)
    assert picture.dtype == np.uint8
    middle = picture[:, 20:-20]
    assert (middle.argmax(axis=0) == 1000 * 512 // 16000).all()
    assert picture.max() == 255
    assert np.median(middle[200:]) == 0  # far from the tone: 80 dB below


def test_a_tenth_of_the_amplitude_is_twenty_decibels_lower():
    time = np.arange(16000) / 16000
    both = np.sin(2 * np.pi * 1000 * time) * np.where(time < 0.5, 1, 0.1)
    row = spectrogram(both.astype(np.float32))[32].astype(float)
    assert (row[60] - row[190]) * 80 / 255 == pytest.approx(20, abs=0.4)


def test_segments_overlap_and_are_views():
    grid = np.arange(50, dtype=np.uint8).reshape(10, 5)
    cut = segments(grid, segment=4, step=2)
    assert cut.shape == (4, 4, 5)
    assert np.array_equal(cut[1], grid[2:6])
    assert np.shares_memory(cut, grid)
    assert np.array_equal(segments(grid[:3], segment=4, step=2)[0, :3], grid[:3])
    assert not segments(grid[:3], segment=4, step=2)[0, 3].any()
