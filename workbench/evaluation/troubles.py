"""What looks wrong with a training, in words: from its history while it runs, from its predictions when it is done."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.emotions import in_order

STEADY = 5  # epochs that something has to last to be said
GAIN = 0.02  # the least by which a loss has to have fallen, as a share of it
WIDE = 0.15  # between accuracy in training and in inner validation
MOST = 0.9  # of the clips


def of_history(history: pd.DataFrame, *, n_classes: int | None = None) -> list[str]:
    """Return what is wrong with a training so far, most serious first; nothing where all looks well.

    Parameters
    ----------
    history : one row an epoch, as `training.fit` leaves it
    n_classes : int, optional
        How many emotions there are to tell apart, so that chance is known.
    """
    if history.empty:
        return []
    losses = history[["train_loss", "validation_loss"]]
    if not (finite := np.isfinite(losses).all(axis=1)).all():
        epoch = history["epoch"][~finite].iloc[0]
        return [f"The loss is not finite in epoch {epoch:.0f}: try a lower learning rate, or clip_norm."]
    found = [_not_learning(history, n_classes), _collapse(history), _over_fitting(history), _rising(history)]
    return [words for words in found if words]


def _not_learning(history: pd.DataFrame, n_classes: int | None) -> str:
    """The loss in training has hardly fallen in all these epochs, and accuracy is that of chance where it is known."""
    loss, epochs = history["train_loss"], len(history)
    if epochs < STEADY or loss.iloc[1:].min() < (1 - GAIN) * loss.iloc[0]:
        return ""
    accuracy = history["train_accuracy"].iloc[-STEADY:].mean()
    if n_classes and accuracy > 2 / n_classes:  # it went on from where another training had ended
        return ""
    chance = f", where chance is {100 / n_classes:.0f} %" if n_classes else ""
    return (
        f"No learning: the loss on the training clips was {loss.iloc[0]:.3g} and is {loss.iloc[-1]:.3g} after {epochs} "
        f"epochs (accuracy {100 * accuracy:.0f} %{chance}). Try another learning rate; see whether the labels fit the "
        "clips."
    )


def _collapse(history: pd.DataFrame) -> str:
    """Nearly all inner validation clips have been taken for one emotion for a while, and are of several."""
    if "validation_commonest" not in history or len(history) < STEADY:
        return ""
    late = history.iloc[-STEADY:]
    share, accuracy = late["validation_commonest"], late["validation_accuracy"]
    if not ((share >= MOST) & (accuracy < MOST)).all():
        return ""
    return (
        f"Class collapse: {100 * share.iloc[-1]:.0f} % of the inner validation clips are taken for one emotion "
        f"(accuracy {100 * accuracy.iloc[-1]:.0f} %). Try another learning rate, or class_weights."
    )


def _over_fitting(history: pd.DataFrame) -> str:
    """The validation loss has been rising for a while, the training loss falls on: it learns the clips by heart."""
    best = history["validation_loss"].to_numpy().argmin()
    since, now = history.iloc[best], history.iloc[-1]
    gap = now["train_accuracy"] - now["validation_accuracy"]
    falls = now["train_loss"] < (1 - GAIN) * since["train_loss"]
    rises = now["validation_loss"] > (1 + GAIN) * since["validation_loss"]
    if len(history) - 1 - best < STEADY or not (falls and rises) or gap < WIDE:
        return ""
    return (
        f"Over-fitting since epoch {since['epoch']:.0f}: the loss falls on the training clips and rises on the inner "
        f"validation clips (accuracy {100 * now['train_accuracy']:.0f} % and "
        f"{100 * now['validation_accuracy']:.0f} %). "
        f"The weights of epoch {since['epoch']:.0f} are kept; augmentation, dropout or weight_decay may help."
    )


def _rising(history: pd.DataFrame) -> str:
    """The training loss itself rises."""
    loss = history["train_loss"]
    if len(loss) <= STEADY or loss.iloc[-STEADY:].min() - loss.min() < WIDE * loss.iloc[0]:
        return ""
    return (
        f"The loss on the training clips rises, from {loss.min():.3g} to {loss.iloc[-1]:.3g}: lower the learning rate."
    )


def of_predictions(predictions: pd.DataFrame) -> list[str]:
    """Return what is wrong with the predictions of one run's test clips.

    A class that nearly all clips are put in though they are of several (collapse); classes never predicted; a fold
    that has no clip of a class to test.

    Parameters
    ----------
    predictions : predictions table
        Of one run, or of several folds of one system: folds are looked at one by one.
    """
    tested = predictions[predictions["usage"] == "test"] if "usage" in predictions else predictions
    classes = in_order({name.removeprefix("p_") for name in tested if name.startswith("p_")} | set(tested["emotion"]))
    return [words for fold, mine in tested.groupby("fold", sort=False) for words in _of_fold(str(fold), mine, classes)]


def _of_fold(fold: str, mine: pd.DataFrame, classes: list[str]) -> list[str]:
    found, there = [], set(mine["emotion"])
    shares = mine["predicted"].value_counts(normalize=True)
    if absent := [name for name in classes if name not in there]:
        found.append(
            f"{fold} has no test clip of {', '.join(absent)}: its scores say nothing of "
            f"{'it' if len(absent) == 1 else 'them'}."
        )
    of_it = (mine["emotion"] == shares.index[0]).mean()
    if len(there) > 1 and shares.iloc[0] >= MOST > of_it:
        found.append(
            f"Class collapse in {fold}: {100 * shares.iloc[0]:.0f} % of the test clips are taken for "
            f"{shares.index[0]}, and {100 * of_it:.0f} % are."
        )
    elif never := [name for name in classes if name in there and name not in shares]:
        found.append(f"{', '.join(never)} {'is' if len(never) == 1 else 'are'} never predicted in {fold}.")
    return found
