"""Fusions inside the network: list of (B, D_i) in, (B, D) out. Those over steps of time stand in `workbench.models`."""

from workbench.fusion.neural.base import Alone, FeatureNorm, Fusion, Normed, Scoring
from workbench.fusion.neural.dropout import ModalityDropout
from workbench.fusion.neural.mrpn import Concatenation, Mrpn, SideBranches
from workbench.fusion.neural.plain import Dense, Plain, Scores
from workbench.fusion.neural.products import Bilinear, Gated, LowRank

__all__ = [
    "Alone",
    "Bilinear",
    "Concatenation",
    "Dense",
    "FeatureNorm",
    "Fusion",
    "Gated",
    "LowRank",
    "ModalityDropout",
    "Mrpn",
    "Normed",
    "Plain",
    "Scores",
    "Scoring",
    "SideBranches",
]
