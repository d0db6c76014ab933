"""Fold makers: which clips test in which fold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.datasets.links import linked
from workbench.errors import WorkbenchError
from workbench.splits.fold import Fold
from workbench.splits.naming import check_classes, check_number, fold_names, folds_of, known_speakers
from workbench.splits.units import units

DEFAULT_FOLDS = 5


def leave_one_speaker_out(clips: pd.DataFrame) -> list[Fold]:
    """Return one fold a speaker, in sorted order, named like ``A05``: the others train, this one tests.

    Speakers that share content test together.
    """
    groups = known_speakers(clips, at_least=2)
    codes, firsts = pd.factorize(groups, sort=True)
    return folds_of(clips, codes, fold_names(clips, [_members(clips, groups, first) for first in firsts]))


def speaker_pairs(clips: pd.DataFrame) -> list[Fold]:
    """Return folds that test one man and one woman each, paired in sorted order, named like ``A01,02``.

    Where one sex has more speakers, its surplus trains in every fold and is never tested. Speakers that share content
    with one of a pair test with it.

    Raises
    ------
    WorkbenchError
        If there is no man or no woman, or only one of each, so that nobody would be left to train on.
    """
    groups, speakers = known_speakers(clips), clips["speaker"]
    n_men, n_women = (speakers[clips["sex"] == sex].nunique() for sex in ("male", "female"))
    if min(n_men, n_women) < 1 or n_men + n_women < 3:
        raise WorkbenchError(
            f"protocol 'speaker-pairs': expected men and women, at least three in all; "
            f"found {n_men} men and {n_women} women"
        )
    group_of, pairs = dict(zip(speakers, groups, strict=True)), paired(clips)
    first_of = linked((group_of[speaker], pair) for pair in pairs for speaker in pair)
    firsts = list(dict.fromkeys(first_of[group_of[man]] for man, _ in pairs))
    fold_of = {group: firsts.index(first) for group, first in first_of.items()}
    number_of = groups.map(fold_of).fillna(-1)
    if len(firsts) == 1 and not (number_of < 0).any():
        known_speakers(clips, at_least=groups.nunique() + 1)  # an error that says which speakers share content
    tested = [sorted(set(speakers[number_of == number])) for number in range(len(firsts))]
    return folds_of(clips, number_of, fold_names(clips, tested))


def paired(clips: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of a man and a woman, in sorted order; the surplus of one sex is in none."""
    men, women = (sorted(set(clips.loc[clips["sex"] == sex, "speaker"])) for sex in ("male", "female"))
    return list(zip(men, women, strict=False))


def grouped(clips: pd.DataFrame, n_folds: int = DEFAULT_FOLDS, seed: int = 0) -> list[Fold]:
    """Return `n_folds` speaker-disjoint folds, named ``fold1``...

    The numbers of men in any two folds differ by at most one, and so do those of women. Within that, each
    speaker, those with most clips first, goes where clips of the same emotions are fewest so far. Speakers that share
    content count as one.
    (scikit-learn's `StratifiedGroupKFold` evens out one label only, and gives no bound.)

    Raises
    ------
    WorkbenchError
        If there are fewer speakers than folds.
    """
    check_number(n_folds)
    speakers = known_speakers(clips, at_least=n_folds)
    profiles = pd.crosstab(speakers, clips["emotion"])
    sex_of = clips.groupby(speakers)["sex"].first().fillna("")
    order = np.random.default_rng(seed).permutation(len(profiles))
    order = order[np.argsort(-profiles.sum(axis=1).to_numpy()[order], kind="stable")]
    load = np.zeros((n_folds, profiles.shape[1]))
    seats = {sex: np.zeros(n_folds, int) for sex in set(sex_of)}
    fold_of = {}
    for speaker in profiles.index[order]:
        profile, taken = profiles.loc[speaker].to_numpy(), seats[sex_of[speaker]]
        fold = int(np.where(taken == taken.min(), load @ profile, np.inf).argmin())
        fold_of[speaker] = fold
        load[fold] += profile
        taken[fold] += 1
    return folds_of(clips, speakers.map(fold_of), [f"fold{number + 1}" for number in range(n_folds)])


def random_folds(clips: pd.DataFrame, n_folds: int = DEFAULT_FOLDS, seed: int = 0) -> list[Fold]:
    """Return `n_folds` folds stratified by emotion, named ``fold1``...: takes stay whole, speakers do not.

    Takes that share content stay together.

    Raises
    ------
    WorkbenchError
        If no emotion has as many takes as there are folds.
    """
    from sklearn.model_selection import StratifiedKFold  # slow to import

    check_number(n_folds)
    groups = units(clips, "take")
    takes = pd.DataFrame({"take": groups, "emotion": clips["emotion"]}).drop_duplicates("take")
    most = takes["emotion"].value_counts().max()
    if most < n_folds:
        raise WorkbenchError(
            f"{n_folds} random folds would leave some empty: found {len(takes)} takes of "
            f"{takes['emotion'].nunique()} emotions, at most {most} of one; expected an emotion with {n_folds} takes, "
            f"or no more than {most} folds"
        )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    fold_of = {}
    for number, (_, test) in enumerate(splitter.split(takes, takes["emotion"])):
        fold_of.update(dict.fromkeys(takes["take"].iloc[test], number))
    return folds_of(clips, groups.map(fold_of), [f"fold{number + 1}" for number in range(n_folds)])


def frontal_to_turned(clips: pd.DataFrame, n_folds: int = DEFAULT_FOLDS, seed: int = 0) -> list[Fold]:
    """Return speaker-disjoint folds (`grouped`) that train on frontal pictures and test on turned heads of others.

    Source 004, section 4.2, trains on CK+ and tests on RaFD. Column `yaw` of the clip table says how far a head is
    turned: degrees, 0 frontal; a clip that does not say stays out. `beside` holds, as ``frontal``, the frontal pictures
    of the test's speakers: what of a loss is due to the turn, and what to people never met. A speaker who is never
    seen from the front only tests, one who is never seen turned only trains (or stands in `beside`).

    Raises
    ------
    WorkbenchError
        If there is no column `yaw`, or a fold lacks frontal pictures to train on or turned ones to test on.
    """
    what = "protocol 'frontal-to-turned'"
    if "yaw" not in clips:
        raise WorkbenchError(f"{what}: expected a column 'yaw' (degrees, 0 frontal), found {', '.join(clips)}")
    yaw = yaws(clips)
    frontal, turned, folds = yaw == 0, np.isfinite(yaw) & (yaw != 0), []
    for name, train, test, _ in grouped(clips, n_folds, seed):
        fold = Fold(name, train[frontal[train]], test[turned[test]], {"frontal": test[frontal[test]]})
        if not (len(fold.train) and len(fold.test)):
            raise WorkbenchError(
                f"{what}, {name}: expected frontal pictures (yaw 0) to train on and turned ones to test on, "
                f"found {len(fold.train)} and {len(fold.test)}"
            )
        check_classes(clips, clips.iloc[fold.train], f"{what}, {name}, frontal pictures")
        folds.append(fold)
    return folds


def yaws(clips: pd.DataFrame) -> np.ndarray:
    """Return how far each head is turned, (n,) float, degrees; NaN where the table does not say."""
    return pd.to_numeric(clips["yaw"], errors="coerce").to_numpy(float)


def _members(clips: pd.DataFrame, groups: pd.Series, first: str) -> list[str]:
    """Return the speakers of a group, sorted."""
    return sorted(set(clips.loc[groups == first, "speaker"]))
