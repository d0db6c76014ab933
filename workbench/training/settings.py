"""How to train: every setting of the loop with its range, and the learning rate from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from numbers import Integral, Real

import torch

from workbench.augment import policy
from workbench.emotions import EMOTIONS, EXTRA
from workbench.errors import WorkbenchError, choose

OPTIMISERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": partial(torch.optim.RMSprop, alpha=0.9),  # as in Keras and source 002, Table 3-3 (decay 0.9)
    "sgd": torch.optim.SGD,
}

LOSSES = ("cross-entropy", "poisson")
SCHEDULES = ("constant", "cosine", "plateau", "step")
TARGETS = ("labels", "votes")
NUMBERS = {"int": (Integral, "a whole number"), "float": (Real, "a number")}


@dataclass(frozen=True)
class Settings:
    """How to train.

    `momentum` is that of `sgd`. `patience` epochs without a lower loss on the inner validation clips end the training;
    the weights of the best epoch are kept. `precision` is accelerate's: `no`, `bf16`, `fp16`. `side_weight` weighs the
    losses of a model's side branches. `schedule` moves the learning rate from epoch to epoch: `constant`; `cosine`,
    down to nothing over `epochs`; `step`, times `schedule_factor` every `schedule_epochs`; `plateau`, the same where
    the validation loss has not dropped for so many epochs (source 004 halves after 10). `augment` is what
    `augment.policy` takes, kept with all its values spelled out; training clips are drawn anew in every epoch, or, with
    `copies`, stand once as recorded and so many times augmented, alike in every epoch. What acts on an array that the
    model does not read is without effect.

    `loss` is what the head learns by: `cross-entropy`, or `poisson`, Keras's Poisson loss of the probabilities (source
    002, Table 4-6). Of C classes that is (1 + cross-entropy) / C, so that Adam, to which the scale of a gradient is
    next to nothing, learns the same by both.

    `clip_norm`, if above 0, bounds the norm of all gradients together: longer ones are shortened to it. `targets` says
    what is learned: the `labels`, or the shares of a crowd's `votes`, where the corpus has them
    (`models.losses.label_distribution`); validation goes by the labels.

    `class_weights` multiplies the loss of each training clip by a weight of its class (validation counts every clip
    alike): `true` for n / (C n_c), where n_c of the n clips that are trained on, of C classes, are of class c, so that
    all classes count the same and the mean weight is 1; or a mapping of emotion to weight, 1 where it names none.
    """

    epochs: int = 40
    batch_size: int = 32
    optimiser: str = "adam"
    learning_rate: float = 2e-4
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    patience: int = 10
    loss: str = "cross-entropy"
    side_weight: float = 1.0
    precision: str = "no"
    schedule: str = "constant"
    schedule_epochs: int = 10
    schedule_factor: float = 0.5
    augment: list[dict] = field(default_factory=list)
    copies: int = 0
    targets: str = "labels"
    class_weights: bool | dict[str, float] = False

    def __post_init__(self):
        for setting in fields(self):
            value, (kind, words) = getattr(self, setting.name), NUMBERS.get(setting.type, (object, ""))
            if words and (not isinstance(value, kind) or isinstance(value, bool) or not math.isfinite(value)):
                raise WorkbenchError(f"training setting {setting.name} is {value!r}, expected {words}")
        choose("optimiser", self.optimiser, OPTIMISERS)
        choose("loss", self.loss, LOSSES)
        choose("precision", self.precision, ("no", "bf16", "fp16"))
        choose("schedule", self.schedule, SCHEDULES)
        choose("targets", self.targets, TARGETS)
        for name in ("epochs", "batch_size", "patience", "learning_rate", "schedule_epochs", "schedule_factor"):
            if not getattr(self, name) > 0:
                raise WorkbenchError(f"training setting {name} is {getattr(self, name)}, expected more than 0")
        if not 0 <= self.momentum < 1 or (self.momentum and self.optimiser != "sgd"):
            wanted = "0 or more, and less than 1" if self.optimiser == "sgd" else f"none with {self.optimiser}"
            raise WorkbenchError(f"training setting momentum is {self.momentum}, expected {wanted}")
        object.__setattr__(self, "augment", policy(self.augment).settings())
        if self.copies < 0 or (self.copies and not self.augment):
            why = "expected 0 or more" if self.copies < 0 else "but augment names nothing to make them with"
            raise WorkbenchError(f"training setting copies is {self.copies}, {why}")
        for name in ("clip_norm", "weight_decay", "side_weight"):
            if getattr(self, name) < 0:
                raise WorkbenchError(f"training setting {name} is {getattr(self, name)}, expected 0 (none) or more")
        if not 0 <= self.label_smoothing < 1:
            wanted = "0 (none) or more, and less than 1"
            raise WorkbenchError(f"training setting label_smoothing is {self.label_smoothing}, expected {wanted}")
        _check_weights(self.class_weights)


def _check_weights(weights) -> None:
    if isinstance(weights, bool):
        return
    if not isinstance(weights, Mapping):
        raise WorkbenchError(f"training setting class_weights is {weights!r}, expected true, false or emotion: weight")
    for emotion, weight in weights.items():
        choose("emotion of class_weights", emotion, EMOTIONS + EXTRA)
        if not (isinstance(weight, int | float) and 0 <= weight < math.inf):
            raise WorkbenchError(f"class_weights of {emotion} is {weight!r}, expected a number, 0 or more")


def make_optimiser(parameters: Iterable[torch.nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name, over a model's parameters."""
    options = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    options |= {"momentum": settings.momentum} if settings.momentum else {}
    return OPTIMISERS[settings.optimiser](parameters, **options)


def rate_factor(settings: Settings, losses: Sequence[float]) -> float:
    """Return what the learning rate is multiplied by in the next epoch, given the validation loss of those before.

    It depends on nothing else, so that a resumed run goes on as it would have.
    """
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * len(losses) / settings.epochs))
    if settings.schedule == "step":
        return settings.schedule_factor ** (len(losses) // settings.schedule_epochs)
    factor, best, waited = 1.0, math.inf, 0
    for loss in losses if settings.schedule == "plateau" else ():
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == settings.schedule_epochs:
            factor, waited = factor * settings.schedule_factor, 0
    return factor
