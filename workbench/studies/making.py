"""One run of a study: train a network, a classical classifier or a late fusion; predict; leave it all in its folder."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from workbench import augment, classifiers, runs, splits, standards
from workbench.datasets import votes
from workbench.emotions import probability_columns
from workbench.errors import Stopped, WorkbenchError
from workbench.fusion import rules, stacking
from workbench.models import arrays_of, build, classical
from workbench.predict import load_model
from workbench.prepare import sound_arrays
from workbench.studies import COSTS, results, short_speakers
from workbench.studies.costs import costs
from workbench.studies.items import NEEDED, Item, run_of
from workbench.studies.planning import Data, Prepared, identity
from workbench.training import Clips, Requests, Settings, fit, predict


def execute(item: Item, prepared: Prepared, *, tensorboard: bool = False, requests: Requests | None = None) -> runs.Run:
    """Make the item's run unless it is finished; return it. The runs that it needs have to be finished.

    `tensorboard` leaves TensorBoard's events of a network's training in its folder. The run comes back unfinished where
    somebody asked to stop (`requests`).
    """
    run = run_of(item, prepared)
    if run.done:
        return run
    try:
        if requests:
            requests.heed()
        _make(run, item, prepared, tensorboard=tensorboard, requests=requests)
    except Stopped:
        pass  # at a checkpoint, from which it goes on
    return run


def _make(run: runs.Run, item: Item, prepared: Prepared, **options) -> None:
    run.begin()
    if "members" in run.params:
        _join(run)
    elif "given" in run.params:
        _quote(run, prepared.given(item.plan, run.params["given"]).table, item)
    elif "classical" in run.params:
        _classify(run, prepared.of(item.plan, run.params["modality"]), item)
    else:
        _train(run, prepared.of(item.plan, run.params["modality"]), item, **options)


def check(item: Item, prepared: Prepared) -> None:
    """Raise a WorkbenchError if the clips that could be prepared do not fill the sides of an item (`sides`)."""
    plan, settings = item.plan, item.settings
    if {"encoders", "classical"} & set(settings):
        modality, by_speaker = plan.study.modality(item.variant), settings.get("normalise") == "speaker"
        key = ("usable", modality, by_speaker, item.protocol, item.fold, item.seed)
        if key not in plan.kept:
            data = prepared.of(plan, modality)
            where = sides(data, item)
            if by_speaker:
                _standardised(data, where, item)
            plan.kept[key] = True
    elif settings.get("normalise") == "speaker":
        _, validation = plan.inner_split(item.protocol, item.sides, item.seed)
        learned = item.sides.train if settings.get("learn_from") == "train" else validation
        for positions, purpose in ((learned, "learn from"), (item.sides.test, "test")):
            about = plan.takes.iloc[positions]
            short_speakers.rows_kept(about, np.empty((len(about), 0)), item.variant, purpose)
    for needed in NEEDED:
        for other in item.needs(needed):
            check(other, prepared)


def sides(data: Data, item: Item) -> dict[str, np.ndarray]:
    """Return positions in `data.table` of the clips that fit, validate and test; audited for leaks.

    And of those that the fold names `beside`, which are predicted and stay out of both.

    Raises
    ------
    WorkbenchError
        If a side has no clip, a class is absent from training, or a speaker or take stands on both sides.
    """
    kept, key = item.plan.kept, ("sides", data.key, item.protocol, item.fold, item.seed)
    if key not in kept:  # every variant of a modality has the same
        kept[key] = _divide(data, item)
    return dict(kept[key])


def _divide(data: Data, item: Item) -> dict[str, np.ndarray]:
    """Work out and audit `sides`."""
    plan, fold = item.plan, item.sides
    inner, validation = plan.inner_split(item.protocol, fold, item.seed)
    takes = {"fit": inner, "validation": validation, "test": fold.test, **fold.beside}
    known, every = (pd.MultiIndex.from_frame(table[identity(table)]) for table in (data.table, plan.takes))
    where = {side: np.flatnonzero(known.isin(every[positions])) for side, positions in takes.items()}
    what = f"protocol {item.protocol!r}, fold {item.fold!r} of {plan.corpus.card.name!r}"
    for side, positions in where.items():
        if not len(positions) and side not in fold.beside:
            raise WorkbenchError(f"{what}: no clip to {side} with; expected at least one on every side")
    absent = sorted(set(data.table["emotion"]) - set(data.table["emotion"].iloc[where["fit"]]))
    if absent:
        raise WorkbenchError(f"{what}: no training clip of {', '.join(absent)}")
    allow = ("speaker",) if plan.inner_unit(item.protocol, fold) == "take" else ()
    splits.audit(data.table, where["fit"], where["validation"], allow=allow)
    allow = ("speaker",) if item.protocol in splits.SHARING else ()
    for left, right in product(("fit", "validation"), ("test", *fold.beside)):
        splits.audit(data.table, where[left], where[right], allow=allow)
    return where


def used(run: runs.Run, data: Data, item: Item) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the positions of `sides` that the run can use, and what it leaves out, in words."""
    where, notes = sides(data, item), list(data.notes)
    if run.params.get("normalise") != "speaker":
        return where, notes
    where, more = _standardised(data, where, item)
    return where, notes + more


def _standardised(data: Data, where: dict[str, np.ndarray], item: Item) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the positions of clips that can be standardised within their speaker, and what is left out, in words."""
    what = f"protocol {item.protocol!r}, fold {item.fold!r}"
    try:
        short_speakers.labelled(data.table)
        return short_speakers.without(data.table, where, optional=list(item.sides.beside))
    except WorkbenchError as error:
        raise WorkbenchError(f"{what}: {error}") from None


def usages(run: runs.Run, where: dict[str, np.ndarray], trained_on: np.ndarray) -> dict[str, np.ndarray]:
    """Return the positions to predict, by usage, the test's last: those of `sides`, and the training's where asked."""
    train = {"train": trained_on} if run.params.get("predict_training") else {}
    others = {side: positions for side, positions in where.items() if side not in ("fit", "test") and len(positions)}
    return train | others | {"test": where["test"]}


def _clips(run: runs.Run, item: Item, data: Data) -> Clips:
    """Return the clips as the run's model reads them."""
    names, reader = data.table["clip"].tolist(), data.reader(arrays_of(run.params))
    # The sound itself is read only where augmentation acts on it.
    speech = augment.Speech(data.store, names, item.plan.recipe, sound_arrays) if data.store else None
    by_speaker = run.params.get("normalise") == "speaker"
    speakers = data.table["speaker"].tolist()
    norm = standards.Standards(reader.views, speakers) if by_speaker else None
    classes = run.params["classes"]
    emotion = [classes.index(name) for name in data.table["emotion"]]
    voted = votes.shares(data.table, classes) if run.params["training"]["targets"] == "votes" else None
    return Clips(reader, emotion, speech=speech, standards=norm, classes=classes, votes=voted, names=names)


def _train(run: runs.Run, data: Data, item: Item, *, tensorboard: bool, requests: Requests | None) -> None:
    """Train a network on the fold's inner training clips and predict its validation and test clips.

    Its encoders may start from those of runs on the same fold and seed, which met the same training clips only; with
    `freeze` they stay as those left them.
    """
    params, (where, notes) = run.params, used(run, data, item)
    clips = _clips(run, item, data)
    others = [positions for side, positions in where.items() if side not in ("fit", "validation")]
    clips.check(np.concatenate(others))  # before training; `fit` checks the rest
    settings = Settings(**params["training"])
    torch.manual_seed(item.seed)
    model = build(params["encoders"], len(params["classes"]), fusion=params["fusion"])
    for name in params.get("start", ()):
        trained = load_model(runs.load(name))
        for modality in trained.encoders:
            model.begin(modality, trained)
    if params.get("freeze"):
        model.freeze()
    events = run.folder / "tensorboard" if tensorboard else None
    options = {"settings": settings, "seed": item.seed, "folder": run.folder, "tensorboard": events}
    options |= {"requests": requests}
    history = fit(model, clips, where["fit"], where["validation"], **options)
    parts = []
    for usage, positions in usages(run, where, where["fit"]).items():
        probabilities, embedding = predict(model, clips, positions)
        parts.append(results.predictions(run, data.table.iloc[positions], probabilities, usage))
    if set(item.plan.study.measures) & set(COSTS):
        (run.folder / "cost.json").write_text(json.dumps(costs(model, clips, int(where["test"][0]))))
    run.finish(pd.concat(parts, ignore_index=True), history=history, embedding=embedding, notes=notes)


def _classify(run: runs.Run, data: Data, item: Item) -> None:
    """Choose a classifier's settings on the fold's inner speakers, train it on all training clips, predict.

    The validation clips are predicted by the classifier that was trained without them, as a late fusion needs it.
    """
    params, (where, notes) = run.params, used(run, data, item)
    (settings,), emotion = params["classical"].values(), data.table["emotion"].to_numpy()
    reader = data.reader(arrays_of(params))
    starts = range(0, len(data.table), 256)
    rows = [classical.rows(reader.batch(range(i, min(i + 256, len(data.table)))), settings) for i in starts]
    rows = np.vstack(rows)
    if (infinite := np.isinf(rows).any(axis=1)).any():  # NaN is imputed
        names = data.table["clip"][infinite].tolist()
        raise WorkbenchError(
            f"{', '.join(arrays_of(params))} of {len(names)} clips hold infinity: {', '.join(names[:5])}"
        )
    if params.get("normalise") == "speaker":
        rows = standards.within(rows, data.table["speaker"].tolist())
    chosen, scores = classical.select(
        rows, emotion, fit=where["fit"], validation=where["validation"], seed=item.seed, settings=settings
    )
    scores.to_csv(run.folder / "selection.csv", index=False)
    trained_on, parts = np.r_[where["fit"], where["validation"]], []
    model = clone(chosen).fit(rows[trained_on], emotion[trained_on])
    for usage, positions in usages(run, where, trained_on).items():
        answers = chosen if usage == "validation" else model
        probabilities = classifiers.probabilities(answers, rows[positions], params["classes"])
        parts.append(results.predictions(run, data.table.iloc[positions], probabilities, usage))
    classifiers.save(model, run.folder / "model.skops")
    run.finish(pd.concat(parts, ignore_index=True), notes=notes)


def _quote(run: runs.Run, table: pd.DataFrame, item: Item) -> None:
    """Take over what a system trained elsewhere predicts of the fold's clips (`GivenPredictions.predictions`), by take.

    Raises
    ------
    WorkbenchError
        If it was made for other folds than the protocol's, or lacks a test clip or a class.
    """
    takes, fold, columns = item.plan.takes, item.sides, probability_columns(run.params["classes"])
    (system,) = (one["name"] for one in run.params["given"].values())
    what = f"predictions of {system!r}, fold {item.fold!r} of protocol {item.protocol!r}"
    mine = table[table["fold"] == item.fold]
    if item.protocol != "given" or mine.empty:
        found = ", ".join(sorted(set(table["fold"])))
        raise WorkbenchError(f"{what}: there are none; they were made for folds of protocol 'given': {found}")
    if absent := [column for column in columns if column not in mine]:
        raise WorkbenchError(f"{what}: expected columns {', '.join(columns)}, found no {', '.join(absent)}")
    if lacking := sorted(set(takes["take"].iloc[fold.test]) - set(mine.loc[mine["usage"] == "test", "take"])):
        raise WorkbenchError(f"{what}: none for {len(lacking)} of {len(fold.test)} test clips, such as {lacking[0]!r}")
    parts = []
    for usage, rows in mine.set_index("take")[["usage", *columns]].groupby("usage"):
        about = takes.iloc[fold.test if usage == "test" else fold.train]
        about = about[about["take"].isin(rows.index)]
        shares = rows.loc[about["take"], columns].to_numpy()
        parts.append(results.predictions(run, about, shares / shares.sum(axis=1, keepdims=True), usage))
    run.finish(pd.concat(parts, ignore_index=True))


def _join(run: runs.Run) -> None:
    """Train a late fusion on its members' probabilities of their inner validation clips; predict the test clips.

    Those clips are out-of-fold: no member was trained on them (they chose the members' best epoch), and no test
    speaker had a part in them. With `learn_from: train` it is trained on probabilities of clips that the members were
    trained on, where there are no others: no test speaker among them, but the members are surer there than they will
    be of people never met.
    """
    params, classes, notes = run.params, run.params["classes"], []
    tables = [runs.load(name).predictions() for name in params["members"]]
    tested, given = stacking.join([table[table["usage"] == "test"] for table in tables])
    if "rule" in params:
        rule = rules.Fitted(params["rule"]["name"])
        if rules.learns(params["rule"]):
            about, scores = _rows_to_learn(params, tables)
            emotion = [classes.index(name) for name in about["emotion"]]
            rule = rules.fit(params["rule"], stacking.by_member(scores, len(tables)), emotion)
        rule.save(run.folder / "rule.json")
        probabilities = rule(stacking.by_member(given, len(tables)))
    else:
        about, scores = _rows_to_learn(params, tables)
        if params.get("normalise") == "speaker":
            about, scores, notes = short_speakers.rows_kept(about, scores, params["variant"], "learn from")
            tested, given, more = short_speakers.rows_kept(tested, given, params["variant"], "test")
            notes += more
        scores, given = (
            stacking.presented(x, params["stacking"], speakers=rows["speaker"], normalise=params.get("normalise"))
            for rows, x in ((about, scores), (tested, given))
        )
        model, selection = stacking.fit(
            params["stacking"], scores, about["emotion"], speakers=about["speaker"].tolist(), seed=params["seed"]
        )
        if len(selection) > 1:
            selection.to_csv(run.folder / "selection.csv", index=False)
        classifiers.save(model, run.folder / "model.skops")
        probabilities = classifiers.probabilities(model, given, classes)
    tested = tested.assign(speaker_clips=_speaker_clips(params, tables, tested))
    run.finish(results.predictions(run, tested, probabilities, "test"), notes=notes)


def _speaker_clips(params: dict, tables: list[pd.DataFrame], tested: pd.DataFrame) -> np.ndarray:
    """Return how many clips of its speaker each answer of a late fusion rests on, (n,): its own, or a member's."""
    by_take = pd.concat([table[table["usage"] == "test"] for table in tables]).groupby("take")["speaker_clips"].max()
    counts = by_take.reindex(tested["take"]).to_numpy()
    if params.get("normalise") != "speaker":
        return counts
    return np.maximum(counts, tested.groupby("speaker")["clip"].transform("size"))


def _rows_to_learn(params: dict, tables: list[pd.DataFrame]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return what a late fusion learns from: the clips and the members' probabilities, side by side."""
    usage = params.get("learn_from", "validation")
    for name, table in zip(params["members"], tables, strict=True):
        if usage not in (found := sorted(set(table["usage"]))):
            raise WorkbenchError(
                f"late fusion {params['variant']!r}: {name} has no predictions of usage {usage!r}, only "
                f"{', '.join(found)}; learn_from says which to learn from"
            )
    return stacking.join([table[table["usage"] == usage] for table in tables])
