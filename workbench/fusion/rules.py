"""Late fusion by rule: the members' probabilities in, one row of probabilities a clip out.

Every rule takes probabilities (M, n, C) of M members for n clips, rows of which sum to 1, and what it has learned, if
it learns; it gives (n, C), rows of which sum to 1. A member without an answer to a clip has a row of NaN, and counts
for nothing there; a clip to which nobody has an answer gets the same probability for every class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import WorkbenchError, choose

LEAST = 1e-12  # the least probability in a product, so that no single member can rule a class out for good


def mean(p: np.ndarray) -> np.ndarray:
    """Return the mean of the members (the sum rule of Kittler et al. 1998, section 2)."""
    return _shares(_known(p).sum(axis=0))


def product(p: np.ndarray) -> np.ndarray:
    """Return the product of the members, made to sum to 1 (Kittler et al. 1998, section 2, equal priors)."""
    return _softmax(np.where(_missing(p), 0, np.log(np.maximum(_known(p), LEAST))).sum(axis=0))


def maximum(p: np.ndarray) -> np.ndarray:
    """Return each class's greatest probability, made to sum to 1 (Kittler et al. 1998, section 2)."""
    return _shares(_known(p).max(axis=0))


def majority(p: np.ndarray) -> np.ndarray:
    """Return the share of members that name each class; a tie goes to the class of the greater mean probability."""
    return _shares(_votes(p).sum(axis=0) + 1e-6 * mean(p))


def confidence(p: np.ndarray) -> np.ndarray:
    """Return the mean of the members, each weighed, clip by clip, by its greatest probability."""
    return _weighed(p, _known(p).max(axis=2))


def entropy(p: np.ndarray) -> np.ndarray:
    """Return the mean of the members, each weighed, clip by clip, by 1 less its entropy over the greatest there is.

    A member that says nothing (all classes alike) weighs nothing; where all do, all classes stay alike.
    """
    known = _known(p)
    spread = -(known * np.log(np.maximum(known, LEAST))).sum(axis=2) / np.log(max(p.shape[2], 2))  # (M, n)
    return _weighed(p, np.clip(1 - spread, 0, 1))


def class_weighted(p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum of the members, each weighed class by class, made to sum to 1; weights (M, C)."""
    return _shares((_known(p) * weights[:, None, :]).sum(axis=0))


def f1_scores(p: np.ndarray, emotion: np.ndarray) -> np.ndarray:
    """Return each member's F1 of each class, (M, C), drawn towards a half where there are few clips.

    (2 TP + 1) / (2 TP + FP + FN + 2), of the clips that the member has an answer to.
    """
    votes, truth = _votes(p), _truth(p, emotion)
    hits = (votes * truth).sum(axis=1)  # (M, C)
    return (2 * hits + 1) / (votes.sum(axis=1) + truth.sum(axis=1) + 2)


def bayesian(p: np.ndarray, likelihoods: np.ndarray) -> np.ndarray:
    """Return P(class | what each member names), from the members' confusions (Xu et al. 1992).

    Members are taken as independent given the class: it is proportional to the product over members of P(named |
    class), `likelihoods` (M, C classes, C named). All classes are taken as equally frequent.
    """
    votes = _votes(p)  # (M, n, C named)
    return _softmax(np.einsum("mnj,mcj->nc", votes, np.log(likelihoods)))


def confusions(p: np.ndarray, emotion: np.ndarray) -> np.ndarray:
    """Return P(named | class) of each member, (M, C classes, C named): counts, each raised by 1 (Laplace)."""
    counts = np.einsum("mnc,mnj->mcj", _truth(p, emotion), _votes(p)) + 1
    return counts / counts.sum(axis=2, keepdims=True)


@dataclass(frozen=True)
class Rule:
    """A rule and, if it learns, what learns from out-of-fold rows: ``learn((M, n, C), (n,) class numbers)``."""

    combine: Callable[..., np.ndarray]
    learn: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


RULES: dict[str, Rule] = {
    "bayesian": Rule(bayesian, confusions),
    "class_weighted": Rule(class_weighted, f1_scores),
    "confidence": Rule(confidence),
    "entropy": Rule(entropy),
    "majority": Rule(majority),
    "maximum": Rule(maximum),
    "mean": Rule(mean),
    "product": Rule(product),
}


@dataclass(frozen=True)
class Fitted:
    """A rule with what it has learned (None where it learns nothing): (M, n, C) in, (n, C) out."""

    name: str
    weights: np.ndarray | None = None

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """(M, n, C), NaN where a member has no answer, to (n, C)."""
        learned = () if self.weights is None else (self.weights,)
        return RULES[self.name].combine(checked(probabilities), *learned)

    def save(self, path: Path) -> None:
        """Write the rule as JSON."""
        weights = None if self.weights is None else self.weights.tolist()
        path.write_text(json.dumps({"name": self.name, "weights": weights}))


def load(path: Path) -> Fitted:
    """Read a rule."""
    kept = json.loads(path.read_text())
    weights = None if kept["weights"] is None else np.array(kept["weights"], dtype=float)
    return Fitted(choose("rule", kept["name"], RULES), weights)


def check(settings: Mapping) -> str:
    """Return the name that the settings of a rule give.

    Raises
    ------
    WorkbenchError
        For an unknown name, or any other setting: rules have none.
    """
    if strange := sorted(set(settings) - {"name"}):
        raise WorkbenchError(f"rule {settings.get('name', '')!r} has no settings, found {', '.join(strange)}")
    return choose("rule", settings.get("name", ""), RULES)


def learns(settings: Mapping) -> bool:
    """Say whether the rule that the settings name learns from rows."""
    return RULES[check(settings)].learn is not None


def fit(settings: Mapping, probabilities: np.ndarray, emotion: Sequence[int]) -> Fitted:
    """Return a rule with what it learns from out-of-fold rows, none of a test speaker.

    Parameters
    ----------
    settings : mapping
        `name`, of `RULES`.
    probabilities : (M, n, C) float
    emotion : (n,) class numbers
    """
    rule = RULES[check(settings)]
    weights = rule.learn(checked(probabilities), np.asarray(emotion)) if rule.learn else None
    return Fitted(settings["name"], weights)


def checked(probabilities: np.ndarray) -> np.ndarray:
    """Return (M, n, C) float64, if rows are NaN or sum to 1.

    Raises
    ------
    WorkbenchError
        If they do not.
    """
    p = np.asarray(probabilities, dtype=float)
    wrong = ~_missing(p)[..., 0] & ~(np.isclose(p.sum(axis=-1), 1, atol=1e-4) & (p >= 0).all(axis=-1))
    if p.ndim != 3 or wrong.any():
        found = f"shape {p.shape}" if p.ndim != 3 else f"{wrong.sum()} rows that do not sum to 1"
        raise WorkbenchError(f"fusion by rule: expected (members, clips, classes) that sum to 1, found {found}")
    return p


def _missing(p: np.ndarray) -> np.ndarray:
    return np.isnan(p).all(axis=-1, keepdims=True)  # (M, n, 1)


def _known(p: np.ndarray) -> np.ndarray:
    return np.where(_missing(p), 0, p)


def _votes(p: np.ndarray) -> np.ndarray:
    """Return 1 where a member names a class, (M, n, C)."""
    named = np.eye(p.shape[2])[_known(p).argmax(axis=2)]
    return np.where(_missing(p), 0, named)


def _truth(p: np.ndarray, emotion: np.ndarray) -> np.ndarray:
    """Return 1 at the clips' classes, (M, n, C), where the member has an answer."""
    return np.where(_missing(p), 0, np.eye(p.shape[2])[emotion][None])


def _weighed(p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _shares((_known(p) * np.where(_missing(p)[..., 0], 0, weights)[:, :, None]).sum(axis=0))


def _shares(x: np.ndarray) -> np.ndarray:
    """Return rows of (n, C) divided by their sums; of zeros, all alike."""
    total = x.sum(axis=1, keepdims=True)
    return np.where(total > 0, x / np.where(total > 0, total, 1), 1 / x.shape[1])


def _softmax(x: np.ndarray) -> np.ndarray:
    return _shares(np.exp(x - x.max(axis=1, keepdims=True)))
