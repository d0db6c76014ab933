#!/usr/bin/env bash
# The same float samples, written by soundfile as 16-bit WAV and as 16-bit FLAC, are different integers.
#
# Versions: Python 3.11 or newer, soundfile 0.14.0 (libsndfile 1.2.2), numpy 2.4.6.
# Expected by many: both are lossless, so the two files hold the same samples.
# Seen: about half of the samples differ by 1. FLAC rounds to the nearest integer; WAV rounds down (to minus infinity),
# which also adds a constant of -0.5 of the last bit. Integer samples are written alike.
# It matters where recordings are compared by a hash of their decoded samples: a corpus that was written twice from the
# same floats, once in each format, has no common content.
# Exit status: 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import soundfile as sf

print(f"Python {sys.version.split()[0]}, soundfile {sf.__version__}, {sf.__libsndfile_version__}, numpy {np.__version__}")
x = np.random.default_rng(0).uniform(-0.9, 0.9, 48_000)


def written(samples, suffix):
    sf.write(f"tone.{suffix}", samples, 16_000, subtype="PCM_16")
    return sf.read(f"tone.{suffix}", dtype="int16")[0].astype(int)


wav, flac = written(x, "wav"), written(x, "flac")
share = np.mean(wav != flac)
print(f"floats:   {100 * share:.1f} % of the samples differ, by {np.abs(wav - flac).max()} at most")
print(f"          mean error in steps of 16 bits: WAV {np.mean(wav - 32768 * x):+.3f}, FLAC {np.mean(flac - 32768 * x):+.3f}")
whole = np.round(32_767 * x).astype(np.int16)
alike = (written(whole, "wav") == written(whole, "flac")).all()
print(f"integers: {'alike' if alike else 'different'}")
rounded_down = np.mean(wav == np.floor(32_768 * x)) > 0.999
nearest = np.mean(flac == np.rint(32_768 * x)) > 0.999
print(f"WAV rounds down: {rounded_down}; FLAC rounds to the nearest: {nearest}")
sys.exit(0 if 0.4 < share < 0.6 and rounded_down and nearest and alike else 1)
PY
