"""The words of the report. They are chosen with care: what a model cannot know, it is not said to know."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from workbench.interact.timeline.people import OTHERS, clock
from workbench.interact.timeline.quality import Quality
from workbench.interact.timeline.summary import NEGATIVE

if TYPE_CHECKING:
    from workbench.interact.timeline.result import Timeline

GLANCE = (
    "Shares are of the windows in which the person is seen, or a voice is heard, with 95% intervals (blocks of 20 s "
    "drawn again) where there is enough. Changes: from one named emotion to another, undecided windows passed over. "
    "Volatility: how far the probabilities move from one window to the next that does not overlap it, from 0 (not at "
    f"all) to 1 (from one certainty to another). Negative: the mean probability of {', '.join(NEGATIVE[:3])} or "
    "disgust together; a negative stretch is one in which they have more than half without a break."
)
OVER_TIME = (
    "For each person and for the voice: below, the probabilities that the run gives to the emotions, which add up to 1 "
    "(in long recordings, means over neighbouring windows); above, the emotion named, the paler the less sure, hatched "
    "where none is sure enough. White: not seen, or no voice. On top, where a voice is heard; black strokes are cuts. "
    "Numbers are the moments below. Point at it to read the probabilities."
)
MOMENTS = (
    "Where the numbers say that it is worth looking for oneself. What was shown and said decides, not the caption; the "
    "picture is from the middle of the window."
)
SHARES = (
    "Share of the windows in which each emotion is named, by the run's first choice; undecided: no emotion reaches the "
    "least probability. Whiskers: 95% intervals from drawing blocks of 20 s again; they say how much the shares hang "
    "on what happened to be recorded, not how often the run is wrong."
)
REACTIONS = (
    "Correlation between the two persons' balance (probability of happy less that of a negative emotion), one shifted "
    "against the other. The band holds what 95% of series without any tie between them reach at any lag, each keeping "
    "its own course."
)
TOO_SHORT = (
    "They are not seen together for long enough, or do not vary, so that nothing can be said about it: some minutes "
    "are needed to tell anything from chance."
)
QUALITY = (
    "A probability is no frequency: the right-hand table says how often the run is right when it seems so sure. Both "
    "are measured on test clips of its own corpus and protocol."
)
KINDS = {
    "change": "change",
    "surest": "surest",
    "negative": "longest negative stretch",
    "disagreement": "face and voice disagree",
    "least sure": "least sure",
}
BY = {"both": "face and voice together", "face": "the face alone", "voice": "the voice alone"}
THROUGHOUT, SEVERAL = 0.9, 10  # share of the named windows, of so many windows
IDENTITY = {
    "never": "Who a face is, is not known. A face is followed while it is seen, and over gaps of up to {gap:g} s; "
    "after a cut or a longer gap it is counted as another person, even if it is the same.",
    "shot": "Who a face is, is not known. A face is followed while it is seen, and over gaps of up to {gap:g} s. "
    "Assumed: one that comes back within five minutes where another was last seen, and as large, is the same person, "
    "as in a call where each keeps their place; after a cut it is counted as another.{back} Where people change "
    "places, this is wrong.",
    "place": "Who a face is, is not known. Assumed, as was asked: a face that appears where another was last seen, "
    "after a cut or out of sight for more than {gap:g} s, is the same person.{back} Where people change places, this "
    "is wrong.",
    "always": "Who a face is, is not known. Assumed, as was asked: the recording shows one person only.",
}


def facts(found: Timeline) -> str:
    """Return what the report is about, in a line."""
    settings = found.settings
    return (
        f"{clock(found.seconds)} long; windows of {settings.window:g} s, one every {settings.step:g} s; named by run "
        f"{found.run}"
    )


def limits(found: Timeline) -> Iterator[str]:
    """Yield what the reader has to know first, as HTML."""
    window = f"{found.settings.window:g}"
    yield (
        f"<strong>This is not what anybody felt.</strong> A model has given names to {window} s of a face or a voice "
        "at a time. People show what they do not feel and feel what they do not show; a resting face, an accent, a "
        "way of speaking, light or a bad line can look to a model like an emotion."
    )
    yield escape(_right(found)) + (
        " Other people, cameras, rooms and free talk are not what it was tested on: expect it to be wrong more "
        "often, by how much is not known."
    )
    yield escape(_whose_voice(found))
    if found.faces.shape[0]:
        yield escape(_identity(found) + _many(found))
        if found.crossings:
            yield escape(_crossings(found))
    if same := _one_word(found):
        yield escape(same)
    yield (
        "What was said, to whom, why, and what came before, the model does not know. The report is an index to the "
        "recording: <strong>it is no verdict on a person</strong>, and no ground for decisions about one."
    )


def accuracy(quality: Quality, source: str) -> str:
    """Return how often a run is right by what it goes by (`both`, `face`, `voice`), in a sentence or two."""
    summary = quality.summary
    whom = "that it was trained on, too" if quality.met else "that it had never met"
    known = not np.isnan(summary["accuracy_low"])
    interval = " [{accuracy_low:.0%}, {accuracy_high:.0%}]".format(**summary) if known else ""
    made = " That corpus is synthetic, drawn heads: about people this run says nothing." if quality.synthetic else ""
    people = f"of {summary['n_speakers']:.0f} speakers {whom}" if summary["n_speakers"] else "(speakers not known)"
    tested = f"{summary['n_clips']:.0f} test clips {people} ({quality.corpus})"
    return (
        f"On {tested}, the run is right from {BY[source]} in {summary['accuracy']:.0%}{interval}; always naming the "
        f"commonest emotion is right in {summary['chance']:.0%}.{made}"
    )


def measured(found: Timeline) -> tuple[list[str], list[str]]:
    """Return what the windows of the report go by, most of them first: what the run was tested on, and the rest."""
    used = found.windows.loc[found.windows["used"], "source"].value_counts().index.tolist()
    return [source for source in used if source in found.quality], [one for one in used if one not in found.quality]


def _right(found: Timeline) -> str:
    """Return how often the run is right with what it goes by here."""
    known, unknown = measured(found)
    first = (known or list(found.quality))[0]
    said = accuracy(found.quality[first], first)
    for source in known[1:]:
        said += f" From {BY[source]}, it is right in {found.quality[source].summary['accuracy']:.0%}."
    for source in unknown:
        said += f" Here it also goes by {BY[source]}: how often it is right then was not measured; expect less."
    return said


def _identity(found: Timeline) -> str:
    """Return how it was decided who is who."""
    persons = found.faces[found.faces["subject"].str.startswith("person")]
    n_back = int((persons.groupby("subject")["face"].nunique() - 1).sum())
    again = f" So it was decided {n_back} times." if n_back > 1 else " So it was decided once." if n_back else ""
    return IDENTITY[found.settings.same].format(gap=found.settings.gap, back=again)


def _one_word(found: Timeline) -> str:
    """Return whom the run gives the same name nearly throughout: that says little about any moment."""
    told = []
    for name, series in found.subjects.items():
        shares = series.loc[series["decided"], "emotion"].value_counts(normalize=True)
        if len(series) >= SEVERAL and len(shares) and shares.iloc[0] >= THROUGHOUT:
            told.append(f"{name} {shares.index[0]}")
    if not told:
        return ""
    return (
        f"Named alike nearly throughout: {', '.join(told)}. A model that does not know a face, a voice, a camera or a "
        "light often says the same of it whatever happens: it may be no more than that."
    )


def _crossings(found: Timeline) -> str:
    """Return where two persons may have been taken for each other."""
    times = ", ".join(map(clock, found.crossings[:5])) + (" and later" if len(found.crossings) > 5 else "")
    return (
        f"Faces come to lie over each other at {times}. Who is who is told by place alone, so that from there on two "
        "persons may have been taken for each other."
    )


def _whose_voice(found: Timeline) -> str:
    if not found.voice.shape[0]:
        return "No voice was heard."
    if (found.windows["used"] & (found.windows["source"] == "both")).any():
        return (
            "Whose voice it is cannot be told from one microphone. One person is seen, so the voice is taken for "
            "theirs; of somebody who speaks but is not seen, it would be wrong."
        )
    return (
        "Whose voice it is cannot be told from one microphone: the voice is that of the recording, whoever speaks, and "
        "persons go by their faces alone. Music and noises that come and go are not told from a voice."
    )


def _many(found: Timeline) -> str:
    """Return a hint where many faces have no line of their own."""
    left = found.windows.loc[found.windows["subject"] == OTHERS, "face"].nunique()
    if not left:
        return ""
    hint = " If each keeps their place, --same place joins them." if found.settings.same in ("never", "shot") else ""
    return f" {left} faces, seen briefly or less than six others, are in the tables alone.{hint}"


def nothing(found: Timeline) -> str:
    """Return what is said of a recording in which nobody has a line of their own."""
    if len(found.windows):
        return (
            "No voice was heard, and no face is counted as the same person for long enough to have a line of its own."
        )
    return (
        "No face was seen and no voice heard for long enough that the run could name anything: "
        f"a face in {found.settings.present:.0%} of the looks at a window, or {found.settings.voiced:g} s of voice in "
        "it."
    )


def reaction(pair: tuple[str, str], facts: dict) -> str:
    """Return what the correlation of two persons amounts to."""
    first, second = pair if facts["lag"] >= 0 else pair[::-1]
    lag = abs(facts["lag"])
    when = f"at a lag of {lag:g} s ({second} after {first})" if lag else "at the same time"
    chance = f"{facts['p']:.1%} of series without a tie reach as much, so that it is "
    chance += "more than chance gives" if facts["p"] < 0.05 else "no more than chance gives"
    if not facts["enough"]:
        chance = "they are seen together too briefly to tell it from chance"
    return (
        f"{pair[0].capitalize()} and {pair[1]}: greatest correlation {facts['r']:+.2f}, {when}; {chance}. "
        f"Even where it is more, it does not say that one reacts to the other: both may follow what is "
        "said."
    )


def made(found: Timeline, version: str) -> Iterator[str]:
    """Yield how the report was made, as HTML."""
    settings = found.settings
    yield (
        f"Emotion workbench {version}, run <code>{escape(found.run)}</code>. Voice: the level between 100 and 3000 Hz "
        "against the minute before. A window has an answer for a voice of at least "
        f"{settings.voiced:g} s, and for a face found in at least {settings.present:.0%} of {settings.looks:g} looks a "
        "second. An emotion is named if it is first and has at least "
        f"{settings.least:.0%}."
    )
    files = ", ".join(f"<code>_{name}.csv</code>" for name in found.tables())
    yield f"All numbers are in tables beside this page: {files}."
    yield "This page loads nothing and sends nothing. Its pictures are of people: treat it as you would the recording."
