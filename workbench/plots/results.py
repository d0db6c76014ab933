"""Figures of what `workbench.evaluation` says."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.emotions import COLOURS, in_order
from workbench.errors import WorkbenchError, choose
from workbench.plots.style import FAINT, INK, PALETTE, finish, legend_above, sheet, styled

NAMES = {"accuracy": "Accuracy", "uar": "Unweighted average recall", "macro_f1": "Macro F1"}
MODALITIES = {"audiovisual": "audio + video"}
PROTOCOLS = {
    "speaker-disjoint": ("unseen speakers (speaker-disjoint)", PALETTE[0]),
    "speaker-pairs": ("unseen speakers (speaker pairs)", PALETTE[2]),
    "leave-one-speaker-out": ("unseen speakers (leave one out)", PALETTE[4]),
    "given": ("unseen speakers (published folds)", PALETTE[2]),
    "frontal-to-turned": ("unseen speakers (turned heads)", PALETTE[3]),
    "random": ("random split (speakers shared)", PALETTE[1]),
}
RANDOM_ALONE = "A random split shares speakers between training and test; on unseen people expect less."


@styled
def bars(summary: pd.DataFrame, *, metric: str = "accuracy", title: str = "", note: str = "") -> Figure:
    """Return `metric` by system and protocol, with its interval, beside chance.

    Parameters
    ----------
    summary : DataFrame
        From `evaluation.summary`. A column `system` names the rows; without it modality, model and fusion do.
    metric : {'accuracy', 'uar', 'macro_f1'}

    Raises
    ------
    WorkbenchError
        If two rows are of one system and protocol.
    """
    table = _by_system(summary, metric)
    systems = table["system"].unique()
    protocols = [name for name in PROTOCOLS if name in set(table["protocol"])]
    thickness = 0.8 / len(protocols)
    figure, axes = sheet(1.2 + len(systems) * _pitch(systems, 0.22 * (len(protocols) + 0.5)))
    handles = []
    for number, protocol in enumerate(protocols):
        rows = table[table["protocol"] == protocol]
        y = rows["row"] + thickness * (number - (len(protocols) - 1) / 2)
        name, colour = PROTOCOLS[protocol]
        style = {"hatch": "////", "edgecolor": "white"} if protocol == "random" else {}
        style |= {"color": colour, "label": name, "linewidth": 0}
        handles.append(axes.barh(y, rows["value"], 0.92 * thickness, **style))
        style = {"fmt": "none", "ecolor": INK, "elinewidth": 1, "capsize": 2}
        whiskers = axes.errorbar(rows["value"], y, xerr=_whiskers(rows), **style)
        for at, value, end in zip(y, rows["value"], rows["high"].fillna(rows["value"]), strict=True):
            axes.text(end + 1.2, at, f"{value:.1f}", va="center", fontsize=7.5)
    whiskers.set_label(_interval_label(summary))
    handles += [_chance_line(axes, table), whiskers]
    _percent_axis(axes, f"{NAMES[metric]} on test clips (%)")
    _name_rows(axes, systems)
    legend_above(figure, handles, ncols=2)
    alone = table.groupby("system")["protocol"].agg(lambda names: set(names) == {"random"}).any()
    return finish(figure, title, " ".join([note, RANDOM_ALONE]).strip() if alone else note)


@styled
def protocol_gap(summary: pd.DataFrame, *, metric: str = "accuracy", title: str = "", note: str = "") -> Figure:
    """Return, system by system, how much a random split flatters: both scores, their intervals and the gap.

    Raises
    ------
    WorkbenchError
        Unless the table holds protocol 'random' and exactly one other; a system with only one is left out.
    """
    table = _by_system(summary, metric)
    unseen = sorted(set(table["protocol"]) - {"random"})
    if len(unseen) != 1 or "random" not in set(table["protocol"]):
        found = ", ".join(sorted(set(table["protocol"])))
        raise WorkbenchError(f"expected protocol 'random' and one speaker-disjoint protocol, found {found}")
    pairs = table.pivot(index="system", columns="protocol", values="value").dropna()
    pairs = pairs.reindex([name for name in table["system"].unique() if name in pairs.index])
    if pairs.empty:
        raise WorkbenchError(f"no system has both 'random' and {unseen[0]!r}")
    figure, axes = sheet(1.2 + 0.42 * len(pairs))
    table = table[table["system"].isin(pairs.index)]
    table = table.assign(row=pairs.index.get_indexer(table["system"]))
    handles = []
    for protocol, shift, marker in ((unseen[0], -0.13, "o"), ("random", 0.13, "D")):
        rows, (name, colour) = table[table["protocol"] == protocol], PROTOCOLS[protocol]
        style = {"fmt": marker, "color": colour, "markersize": 5.5, "elinewidth": 1.2, "capsize": 2.5}
        style["label"] = f"{name}, {_interval_label(summary)}"
        handles.append(axes.errorbar(rows["value"], rows["row"] + shift, xerr=_whiskers(rows), **style))
    handles.append(_chance_line(axes, table))
    for row, (random, other) in enumerate(zip(pairs["random"], pairs[unseen[0]], strict=True)):
        axes.plot([other, random], [row - 0.13, row + 0.13], color=FAINT, lw=0.8, zorder=1)
        axes.text(104, row, f"{random - other:+.1f}", va="center", ha="left", fontsize=8.5)
    axes.text(104, -0.62, "gap\n(points)", va="bottom", ha="left", color=FAINT, fontsize=7.5)
    _percent_axis(axes, f"{NAMES[metric]} on test clips (%)")
    _name_rows(axes, pairs.index)
    legend_above(figure, handles, ncols=1)
    return finish(figure, title, note)


@styled
def differences(table: pd.DataFrame, *, against: str, title: str = "", note: str = "") -> Figure:
    """Return by how many points each system is more accurate than one other, on the same takes, with its interval.

    Filled where the interval leaves out 0; at the right the difference and p, after Holm's correction.

    Parameters
    ----------
    table : DataFrame
        From `evaluation.differences`.
    against : str
        What the other system is called.
    """
    figure, axes = sheet(1.1 + len(table) * _pitch(table["system"], 0.27))
    values = 100 * table[["difference", "low", "high"]]
    clear = ((table["low"] > 0) | (table["high"] < 0)).to_numpy()
    axes.axvline(0, color=INK, lw=0.8)
    for row, (value, low, high) in enumerate(values.itertuples(index=False)):
        colour = PALETTE[2] if value >= 0 else PALETTE[5]
        axes.plot([low, high], [row, row], color=colour, lw=1.4, solid_capstyle="butt")
        axes.plot(value, row, "o", color=colour, mfc=colour if clear[row] else "white", markersize=5.5)
    place = {"transform": axes.get_yaxis_transform(), "va": "center", "ha": "left", "fontsize": 7.5}
    for row, (value, p) in enumerate(zip(values["difference"], table["p_holm"], strict=True)):
        axes.text(1.02, row, f"{value:+.1f}   p {_p_value(p)}", **place)
    axes.set(xlabel=textwrap.fill(f"Accuracy less that of {against}, same takes (points)", 58))
    axes.grid(axis="x")
    _name_rows(axes, table["system"])
    handles = [
        Line2D([], [], color=PALETTE[2], marker="o", mfc=fill, markersize=5.5, lw=1.4, label=label)
        for fill, label in ((PALETTE[2], "95 % interval over speakers without 0"), ("white", "with 0"))
    ]
    legend_above(figure, handles, ncols=2)
    return finish(figure, title, note)


@styled
def confusion_matrix(table: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return a confusion matrix (rows true, columns predicted) as `evaluation.confusion` gives it.

    Shares are printed in per cent; counts (integers) as they are, shaded by their share of the row.
    """
    values = table.to_numpy(dtype=float)
    counts = table.to_numpy().dtype.kind in "iu"
    shares = values / values.sum(axis=1, keepdims=True).clip(1) if counts else values
    figure, axes = sheet(1.0 + 0.46 * len(table))
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            text = f"{values[row, column]:.0f}" if counts else f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.6 else INK)
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(table)), table.index)
    axes.set(xlabel="Predicted emotion", ylabel="True emotion")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, label="Share of the true emotion's clips (%)", shrink=0.9)
    bar.outline.set_visible(False)
    return finish(figure, title, note)


@styled
def roc_curves(table: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return one-against-rest ROC curves from `evaluation.roc`, with each emotion's area in the legend."""
    figure, axes = sheet(4.2)
    for emotion in in_order(table["emotion"]):
        curve = table[table["emotion"] == emotion]
        label = f"{emotion} ({curve['auc'].iloc[0]:.2f})"
        axes.plot(100 * curve["fpr"], 100 * curve["tpr"], color=COLOURS[emotion], label=label)
    axes.plot([0, 100], [0, 100], color=INK, ls=(0, (3, 2)), lw=1, label="chance (0.50)")
    axes.set(xlabel="False positive rate (%)", ylabel="True positive rate (%)", aspect="equal")
    axes.set(xlim=(-1, 101), ylim=(-1, 101))
    axes.grid()
    mean = table.groupby("emotion")["auc"].first().mean()
    place = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "alignment": "left"}
    axes.legend(title=f"Emotion (AUC)\nmean {mean:.2f}", **place)
    return finish(figure, title, note)


@styled
def per_class(table: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return precision, recall and F1 of each emotion, from `evaluation.per_class`."""
    figure, axes = sheet(1.3 + 0.36 * len(table))
    measures = {"precision": ("<", -0.2), "recall": (">", 0.2), "f1": ("o", 0)}
    for row, (emotion, values) in enumerate(table.iterrows()):
        colour = COLOURS[emotion]
        axes.plot([0, 100 * values["f1"]], [row, row], color=colour, lw=5, alpha=0.25, solid_capstyle="butt")
        for measure, (marker, shift) in measures.items():
            axes.plot(100 * values[measure], row + shift, marker, color=colour, markersize=6)
    names = {"f1": "F1"}
    handles = [
        Line2D([], [], color=FAINT, ls="", marker=marker, markersize=6, label=names.get(measure, measure))
        for measure, (marker, _) in measures.items()
    ]
    _percent_axis(axes, "Score on test clips (%)")
    _name_rows(axes, [f"{emotion} ({support:.0f} clips)" for emotion, support in table["support"].items()])
    legend_above(figure, handles, ncols=3)
    return finish(figure, title, note)


def _by_system(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return `system, protocol, row` (0 on top), and `value, low, high, chance` in per cent."""
    choose("metric", metric, NAMES)
    for protocol in set(summary["protocol"]):
        choose("protocol", protocol, PROTOCOLS)
    system = summary["system"] if "system" in summary else summary.apply(_system_name, axis=1)
    table = pd.DataFrame({"system": system, "protocol": summary["protocol"]}).reset_index(drop=True)
    twice = table[table.duplicated()]
    if len(twice):
        raise WorkbenchError(
            f"two rows for {twice['system'].iloc[0]!r} under {twice['protocol'].iloc[0]!r}: give the summary "
            f"a column 'system' that tells them apart"
        )
    for name, column in {"value": metric, "low": f"{metric}_low", "high": f"{metric}_high"}.items():
        table[name] = 100 * summary[column].to_numpy()
    chance = {
        "accuracy": summary["chance"],
        "uar": 1 / summary["n_emotions"],
        "macro_f1": 2 * summary["chance"] / (1 + summary["chance"]) / summary["n_emotions"],
    }
    return table.assign(chance=100 * chance[metric].to_numpy(), row=pd.factorize(table["system"])[0])


def _system_name(row: pd.Series) -> str:
    modality = MODALITIES.get(row["modality"], row["modality"])
    fused = row["fusion"] not in ("", "none") and pd.notna(row["fusion"])
    mark = " (transductive)" if row.get("transductive", False) else ""
    return f"{modality}: {row['fusion'] if fused else row['model']}{mark}".replace("_", " ")


def _p_value(p: float) -> str:
    return "unknown" if np.isnan(p) else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _whiskers(rows: pd.DataFrame) -> np.ndarray:
    """Return the lengths (2, n) left and right of the value; NaN, which is not drawn, without an interval."""
    return np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]]).clip(0)


def _interval_label(summary: pd.DataFrame) -> str:
    """Return how the whiskers are called, or why there are none."""
    if summary["accuracy_low"].notna().any():
        return f"{100 * summary['level'].iloc[0]:.0f} % interval over speakers"
    single = "n_speakers" in summary and summary["n_speakers"].max() == 1
    return f"no interval: {'one speaker only' if single else 'speakers not known'}"


def _chance_line(axes, table: pd.DataFrame):
    """Draw chance through each system's row; return the legend's handle."""
    low, high = table["chance"].min(), table["chance"].max()
    level = f"{low:.1f} %" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f} %"
    where = table["chance"], table["row"] - 0.5, table["row"] + 0.5
    label = f"chance: {level} (always the commonest emotion)"
    return axes.vlines(*where, color=INK, ls=(0, (3, 2)), lw=1, label=label)


def _percent_axis(axes, label: str) -> None:
    axes.set(xlabel=label, xlim=(0, 103), xticks=range(0, 101, 20))
    axes.grid(axis="x")


def _wrapped(name: str) -> str:
    return textwrap.fill(name, 36)


def _pitch(names, least: float) -> float:
    """Return how far rows are apart, in inches: at least so much, and enough for the name of most lines."""
    return max(least, 0.04 + 0.14 * max(_wrapped(name).count("\n") + 1 for name in names))


def _name_rows(axes, names) -> None:
    """Name the rows, the first on top."""
    axes.set_yticks(range(len(names)), [_wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
