"""Sound in numbers: a waveform (n,) becomes arrays with time last, and a clip one row of a table.

`spectra` and `segments` hold what the networks take, `voice` the voice source, `named` the named features of
source 003, `tables` their summary over clips, `pruning` the transformers that a classifier puts before itself,
`reference` openSMILE and Praat to compare with (both extras).
"""

from workbench.acoustics.named import FEATURES, Feature, features
from workbench.acoustics.segments import segments, spectrogram
from workbench.acoustics.spectra import N_MELS, mel_spectrogram, mfcc, pitch
from workbench.acoustics.tables import columns, curves, summary, table, wide

__all__ = [
    "FEATURES",
    "N_MELS",
    "Feature",
    "columns",
    "curves",
    "features",
    "mel_spectrogram",
    "mfcc",
    "pitch",
    "segments",
    "spectrogram",
    "summary",
    "table",
    "wide",
]
