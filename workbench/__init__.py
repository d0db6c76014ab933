"""Emotion workbench: which emotion, from the face, the voice, or both, on people never seen before?"""

import os

from workbench import _torchaudio

# Before torch loads OpenMP: threads that wait should sleep. Spinning, they made training up to 18 times slower
# beside one other busy process on two cores, and no faster alone.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_torchaudio.install()

__version__ = "0.1.0"
