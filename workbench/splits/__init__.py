"""Fold makers that yield positions, the inner split for model selection, and an audit of what leaks.

The default everywhere is speaker-disjoint: nobody is heard or seen both in training and in testing.
Protocol `random` exists to replicate published tables and shares speakers by construction; it still keeps a
take whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, train_test_split

from workbench.emotions import in_order
from workbench.errors import WorkbenchError, choose
from workbench.splits.fold import Fold, given
from workbench.splits.leaks import LeakError, audit

DEFAULT_FOLDS = 5


def leave_one_speaker_out(clips: pd.DataFrame) -> list[Fold]:
    """Return one fold a speaker, in sorted order, named like ``A05``: the others train, this one tests."""
    codes, speakers = pd.factorize(_speakers(clips, at_least=2), sort=True)
    return _folds(clips, codes, [_name([speaker]) for speaker in speakers])


def speaker_pairs(clips: pd.DataFrame) -> list[Fold]:
    """Return folds that test one man and one woman each, paired in sorted order, named like ``A01,02``.

    Where one sex has more speakers, its surplus trains in every fold and is never tested.

    Raises
    ------
    WorkbenchError
        If there is no man or no woman, or only one of each, so that nobody would be left to train on.
    """
    speakers = _speakers(clips)
    men, women = (sorted(set(speakers[clips["sex"] == sex])) for sex in ("male", "female"))
    if min(len(men), len(women)) < 1 or len(men) + len(women) < 3:
        raise WorkbenchError(
            f"protocol 'speaker-pairs': expected men and women, at least three in all; "
            f"found {len(men)} men and {len(women)} women"
        )
    pairs = list(zip(men, women, strict=False))
    fold_of = {speaker: number for number, pair in enumerate(pairs) for speaker in pair}
    return _folds(clips, speakers.map(fold_of).fillna(-1), [_name(sorted(pair)) for pair in pairs])


def grouped(clips: pd.DataFrame, n_folds: int = DEFAULT_FOLDS, seed: int = 0) -> list[Fold]:
    """Return `n_folds` speaker-disjoint folds, named ``fold1``...

    The numbers of men in any two folds differ by at most one, and so do those of women. Within that, each
    speaker, those with most clips first, goes where clips of the same emotions are fewest so far.
    (scikit-learn's `StratifiedGroupKFold` evens out one label only, and gives no bound.)

    Raises
    ------
    WorkbenchError
        If there are fewer speakers than folds.
    """
    _check_folds(n_folds)
    speakers = _speakers(clips, at_least=n_folds)
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
    return _folds(clips, speakers.map(fold_of), [f"fold{number + 1}" for number in range(n_folds)])


def random_folds(clips: pd.DataFrame, n_folds: int = DEFAULT_FOLDS, seed: int = 0) -> list[Fold]:
    """Return `n_folds` folds stratified by emotion, named ``fold1``...: takes stay whole, speakers do not.

    Raises
    ------
    WorkbenchError
        If no emotion has as many takes as there are folds.
    """
    _check_folds(n_folds)
    takes = clips.drop_duplicates("take")[["take", "emotion"]]
    if takes["emotion"].value_counts().max() < n_folds:
        raise WorkbenchError(
            f"{n_folds} random folds would leave some empty: found {len(takes)} takes of "
            f"{takes['emotion'].nunique()} emotions"
        )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    fold_of = {}
    for number, (_, test) in enumerate(splitter.split(takes, takes["emotion"])):
        fold_of.update(dict.fromkeys(takes["take"].iloc[test], number))
    return _folds(clips, clips["take"].map(fold_of), [f"fold{number + 1}" for number in range(n_folds)])


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
    yaw = pd.to_numeric(clips["yaw"], errors="coerce").to_numpy(float)
    frontal, turned, folds = yaw == 0, np.isfinite(yaw) & (yaw != 0), []
    for name, train, test, _ in grouped(clips, n_folds, seed):
        fold = Fold(name, train[frontal[train]], test[turned[test]], {"frontal": test[frontal[test]]})
        if not (len(fold.train) and len(fold.test)):
            raise WorkbenchError(
                f"{what}, {name}: expected frontal pictures (yaw 0) to train on and turned ones to test on, "
                f"found {len(fold.train)} and {len(fold.test)}"
            )
        _check_classes(clips, clips.iloc[fold.train], f"{what}, {name}, frontal pictures")
        folds.append(fold)
    return folds


PROTOCOLS: dict[str, Callable[..., list[Fold]]] = {
    "leave-one-speaker-out": leave_one_speaker_out,
    "speaker-pairs": speaker_pairs,
    "speaker-disjoint": grouped,
    "frontal-to-turned": frontal_to_turned,
    "given": given,
    "random": random_folds,
}
SHARING = ("random",)  # what shares speakers between the sides, and so never stands alone
COUNTED = ("leave-one-speaker-out", "speaker-pairs", "given")  # who or what is there decides how many folds


def make_folds(
    clips: pd.DataFrame, protocol: str = "speaker-disjoint", n_folds: int | None = None, seed: int = 0
) -> list[Fold]:
    """Return the folds of `protocol`, each audited.

    Parameters
    ----------
    clips : DataFrame
        Clip table, one row a clip.
    protocol : of `PROTOCOLS`
    n_folds : int, optional
        Number of folds, 5 unless told. Where the clips decide (pairs, leave-one-out, given), leave it out.
    seed : int
        Which of the equally good divisions; without effect where the clips decide.

    Raises
    ------
    WorkbenchError
        For an unknown protocol, a number of folds that cannot be, an empty fold, or an emotion that a fold's
        training lacks.
    LeakError
        If a fold shares a take or a clip, or (unless `random`) a speaker.
    """
    maker = PROTOCOLS[choose("protocol", protocol, PROTOCOLS)]
    if protocol in COUNTED:
        folds = maker(clips)
        if n_folds not in (None, len(folds)):
            raise WorkbenchError(f"protocol {protocol!r} makes {len(folds)} folds here, not {n_folds}")
    else:
        folds = maker(clips, DEFAULT_FOLDS if n_folds is None else n_folds, seed)
    for fold in folds:
        for held_out in (fold.test, *fold.beside.values()):
            audit(clips, fold.train, held_out, allow=("speaker",) if protocol == "random" else ())
    return folds


def inner_split(
    clips: pd.DataFrame, train: Sequence[int], *, share: float = 0.2, seed: int = 0, by: str = "speaker"
) -> tuple[np.ndarray, np.ndarray]:
    """Divide the training side once more, for early stopping and model selection.

    Parameters
    ----------
    clips : DataFrame
        The clip table that `train` points into.
    train : (n,) int
        Positions of the training clips.
    share : float
        Share of the speakers (of each sex, at least one) or of the takes that validates; 0 < share < 1.
    by : {'speaker', 'take'}
        'speaker': nobody stands on both sides. 'take': stratified by emotion, for protocol `random` only.

    Returns
    -------
    fit, validation : (k,) and (n - k,) int
        Sorted positions in `clips`.

    Raises
    ------
    WorkbenchError
        If there are fewer than two speakers, too few takes of an emotion, or an emotion would not be fitted.
    """
    choose("inner split", by, ("speaker", "take"))
    train = np.sort(np.asarray(train))
    table = clips.iloc[train]
    pick = _validation_speakers if by == "speaker" else _validation_takes
    validates = table[by].isin(pick(table, share, seed)).to_numpy()
    fit, validation = train[~validates], train[validates]
    _check_classes(clips.iloc[train], clips.iloc[fit], "inner split")
    return fit, validation


def _speakers(clips: pd.DataFrame, at_least: int = 1) -> pd.Series:
    """Return the column of speakers, all of them known and at least so many distinct."""
    speakers = clips["speaker"]
    unknown = int((speakers.isna() | (speakers == "")).sum())
    if unknown:
        raise WorkbenchError(f"{unknown} of {len(clips)} clips name no speaker: only protocol 'random' serves")
    if speakers.nunique() < at_least:
        raise WorkbenchError(
            f"a fold would be empty: expected at least {at_least} speakers, found {speakers.nunique()}"
        )
    return speakers


def _check_folds(n_folds: int) -> None:
    if n_folds < 2:
        raise WorkbenchError(f"expected at least 2 folds, found {n_folds}")


def _check_classes(clips: pd.DataFrame, train: pd.DataFrame, where: str) -> None:
    absent = in_order(set(clips["emotion"]) - set(train["emotion"]))
    if absent:
        raise WorkbenchError(
            f"{where}: no training clip of {', '.join(absent)} ({len(train)} training clips of "
            f"{train['speaker'].nunique()} speakers)"
        )


def _name(speakers: Sequence[str]) -> str:
    """Return ``A01,02`` for ravdess-01 and ravdess-02, ``DC,JE`` for savee-DC and savee-JE."""
    short = ",".join(speaker.rpartition("-")[2] for speaker in speakers)
    return f"A{short}" if short[:1].isdigit() else short


def _folds(clips: pd.DataFrame, fold_of: Sequence[int], names: Sequence[str]) -> list[Fold]:
    """Return one fold a name; `fold_of` says in which one each clip tests, -1 for never."""
    sides = PredefinedSplit(np.asarray(fold_of, dtype=int)).split()
    folds = [Fold(name, train, test) for name, (train, test) in zip(names, sides, strict=True)]
    for fold in folds:
        _check_classes(clips, clips.iloc[fold.train], f"fold {fold.name!r}")
    return folds


def _validation_speakers(table: pd.DataFrame, share: float, seed: int) -> list[str]:
    """Return a share of the speakers of each sex; a lone man or woman trains, unless that leaves nobody."""
    rng = np.random.default_rng(seed)
    _speakers(table, at_least=2)
    sex_of = table.groupby("speaker")["sex"].first().fillna("")
    chosen: list[str] = []
    for _, speakers in sex_of.groupby(sex_of):
        n = min(max(1, round(share * len(speakers))), len(speakers) - 1)
        chosen += rng.permutation(speakers.index.to_numpy(dtype=object))[:n].tolist()
    return chosen or [rng.choice(sorted(sex_of.index))]


def _validation_takes(table: pd.DataFrame, share: float, seed: int) -> list[str]:
    """Return a share of the takes, stratified by emotion; of a few takes, as many as there are emotions."""
    takes = table.drop_duplicates("take")
    try:
        names, emotions = takes["take"], takes["emotion"]
        n = max(int(np.ceil(share * len(takes))), emotions.nunique())
        _, chosen = train_test_split(names, test_size=n, stratify=emotions, random_state=seed)
    except ValueError as error:
        raise WorkbenchError(f"inner split by take: {error}") from error
    return list(chosen)


__all__ = [
    "PROTOCOLS",
    "SHARING",
    "Fold",
    "LeakError",
    "audit",
    "frontal_to_turned",
    "given",
    "grouped",
    "inner_split",
    "leave_one_speaker_out",
    "make_folds",
    "random_folds",
    "speaker_pairs",
]
