"""Emotion workbench: which emotion, from the face, the voice, or both, on people never seen before?"""

from workbench import _torchaudio

_torchaudio.install()

__version__ = "0.1.0"
