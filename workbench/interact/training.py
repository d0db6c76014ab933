"""The training panel: choose, see what is wrong, start, pause, stop, go on, and watch.

The panel writes a study, `data/studies/NAME.yaml`, and starts `python -m workbench study run` on it, in a process of
its own: whatever it does, the command line does too, and what it knows of a training it reads from the run folders. So
a closed page loses nothing, and another finds everything again.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from html import escape

import ipywidgets as W
import matplotlib.figure
from IPython.display import HTML

from workbench import paths, studies
from workbench.errors import WorkbenchError
from workbench.interact import checks, saying
from workbench.interact.choices import FIELDS, Field, fields_of
from workbench.interact.copybox import CopyBox
from workbench.interact.monitor import Monitor
from workbench.interact.pressing import FormButton
from workbench.interact.ticking import every_second
from workbench.studies import under_way

NEW = "a new training"
COLUMNS = (("Data", "Protocol"), ("Model", "Training"))
LABEL, INPUT, INDENT, COLUMN = "110px", "230px", "118px", "400px"
ICONS = {"Start": "play", "Pause": "pause", "Stop": "stop", "Save": "save"}
ENDED = {"stopped": "Go on", "killed": "Go on", "failed": "Try again", "finished": "Start again"}


class TrainingPanel(W.VBox):
    """The panel; `inputs` are its fields by name, `reasons` what is wrong with them, in words.

    Parameters
    ----------
    watch : str, optional
        The study whose runs are shown until another training is chosen; by default the one that was last at work.
    values
        What the fields of a new training begin with, by name (`choices.FIELDS`).
    """

    def __init__(self, *, watch: str = "", **values: str | bool):
        self.begin = {name: value if isinstance(value, bool) else str(value) for name, value in values.items()}
        self.inputs, self.notes = {name: _input(name, field) for name, field in FIELDS.items()}, {}
        self.checked, self.process, self.busy, self.ticking = checks.Checked(), None, False, None
        self.known = W.Dropdown(description="training", layout=W.Layout(width="420px"))
        self.says = W.HTML(layout=W.Layout(width="100%"))
        self.state = W.HTML(layout=W.Layout(width="100%"))
        acts = {"Start": self.start, "Pause": self.pause, "Stop": self.stop, "Save": self.save}
        self.buttons = {name: self._button(name, act) for name, act in acts.items()}
        self.boxes = {name: CopyBox(title=name) for name in ("On the command line", "As a notebook", "The study")}
        self.wrong = ""  # what was the matter with the last thing that was asked for
        self.monitor = Monitor(watch)
        buttons = W.HBox(list(self.buttons.values()))
        parts = [self.known, self._form(), self.says, buttons, self.state, self.monitor, *self.boxes.values()]
        super().__init__(parts)
        for one in self.inputs.values():
            one.observe(lambda _: self.check(), "value")
        self.known.observe(lambda change: self._open(change["new"]), "value")
        self.boxes["The study"].on_seen(self.awake)
        for name in ("On the command line", "As a notebook"):
            self.boxes[name].on_copied(self._copied)
        self._find()
        live = [name for name in self.known.options if _is_live(name)]
        first = next(iter(live), NEW if self.begin or len(self.known.options) == 1 else self.known.options[1])
        self._open(first) if self.known.value == first else self.known.set_trait("value", first)

    @property
    def reasons(self) -> dict[str, str]:
        """What is wrong with the fields, by name."""
        return self.checked.reasons

    def fill(self, values: dict[str, str | bool]) -> None:
        """Put values into fields, and check them once."""
        self.busy = True
        try:
            for name, value in values.items():
                self.inputs[name].value = value
        finally:
            self.busy = False
        self.check()

    def check(self) -> None:
        """Check the fields; show each reason beside its field, what would be run, and the commands for it."""
        if self.busy:
            return
        self.checked = checks.check({name: one.value for name, one in self.inputs.items()})
        for name, note in self.notes.items():
            reason = self.checked.reasons.get(name, "")
            note.value = saying.small(reason, saying.WRONG) if reason else saying.small(self._hint(name))
            note.layout.display = "" if note.value else "none"
        self.says.value = escape(self.checked.says) if self.checked.good else ""
        for box in self.boxes.values():
            box.text = ""
        if self.checked.good:
            for name in ("On the command line", "As a notebook"):
                self.boxes[name].title = f"{name}, in {paths.project()} (to copy it saves the study)"
            self.boxes["On the command line"].text = "python " + shlex.join(self.checked.words)
            self.boxes["As a notebook"].text = self.checked.papermill
            self.boxes["The study"].text = self.checked.text
            self.boxes["The study"].title = f"The study, {checks.shown(checks.file_of(self.checked.chosen['name']))}"
        self._look()

    def _hint(self, name: str) -> str:
        """Return what stands below a field that is right: what it is for, or the settings that there are."""
        of = name.removesuffix("_options")
        known = checks.takes(self.inputs[of].value) if of != name and of != "recipe" else []
        return f"of {', '.join(known)}" if known else FIELDS[name].hint

    def save(self) -> None:
        """Write the study to its file, and make the folder of its runs."""
        path = checks.file_of(self.checked.chosen["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(self.checked.text)
        part.replace(path)
        under_way.folder(path.stem).mkdir(parents=True, exist_ok=True)
        self._find()

    def start(self) -> None:
        """Save the study and start a process that makes its runs, or let a paused one go on."""
        name = self.checked.chosen["name"]
        if self.process and self.process["state"] in ("pausing", "paused"):
            under_way.ask(name, None)
        else:
            self.save()
            chosen = {key: self.checked.chosen[key] for key in ("corpus", "root", "jobs")}
            self.started = under_way.start(name, self.checked.words, **chosen)
        self._find()
        self.busy = True  # the fields are those of the training already
        self.known.value = name
        self.busy = False
        self.monitor.watch(name)

    def pause(self) -> None:
        """Ask the process to wait, at a checkpoint."""
        under_way.ask(self.checked.chosen["name"], "pause")

    def stop(self) -> None:
        """Ask the process to end, at a checkpoint; asked twice, end it at once."""
        name = self.checked.chosen["name"]
        under_way.kill(name) if self.process["state"] == "stopping" else under_way.ask(name, "stop")

    def refresh(self) -> None:
        """Look at the run folders again."""
        self._find()
        self._look()
        self.monitor.refresh()

    def awake(self) -> None:
        """Begin to look every second; a page that shows the panel does that."""
        self.ticking = self.ticking or every_second(self, "refresh")
        self.monitor.awake()

    def picture(self) -> matplotlib.figure.Figure | None:
        """Return the curves of the training that the fields name, None where it has left none."""
        name = self.checked.chosen["name"]
        watcher = self.monitor if self.monitor.study == name else Monitor(name) if name else None
        return watcher and watcher.picture()

    def still(self) -> tuple[HTML | matplotlib.figure.Figure, ...]:
        """Return the panel as it reads without a kernel: what is chosen and what it comes to, and the curves if any."""
        figure = self.picture()
        typed = {name: one.value for name, one in self.inputs.items()}
        said = HTML(saying.summary(self.checked, typed, self.process, curves=figure is not None))
        return (said, figure) if figure else (said,)

    def _button(self, name: str, act: Callable[[], None]) -> FormButton:
        def press(values: dict[str, str | bool]) -> None:
            if values != {key: one.value for key, one in self.inputs.items()}:
                self.fill(values)
            self._look()
            if not self.buttons[name].disabled:
                self._do(act)

        layout = W.Layout(width="130px", margin="2px")
        return FormButton(description=name, icon=ICONS[name], fields=self.inputs, on_press=press, layout=layout)

    def _do(self, act: Callable[[], None]) -> None:
        self.wrong = ""
        try:
            act()
        except WorkbenchError as error:
            self.wrong = str(error)
        self.refresh()

    def _copied(self) -> None:
        """Write the file that a copied command reads; that of a training under way stays as it is."""
        if not self.buttons["Save"].disabled:
            self._do(self.save)

    def _form(self) -> W.HBox:
        columns = []
        for groups in COLUMNS:
            rows = []
            for group in groups:
                rows.append(W.HTML(f'<b style="font-size:14px">{group}</b>'))
                rows += [self._row(name) for name, field in FIELDS.items() if field.group == group]
            columns.append(W.VBox(rows, layout=W.Layout(width=COLUMN, margin="0 10px 0 0")))
        return W.HBox(columns, layout=W.Layout(flex_flow="row wrap"))

    def _row(self, name: str) -> W.VBox:
        self.notes[name] = W.HTML(layout=W.Layout(margin=f"0 0 2px {INDENT}", width="auto"))
        label = W.HTML(FIELDS[name].label, layout=W.Layout(width=LABEL))
        parts = [self.inputs[name]] if FIELDS[name].kind == "yes" else [label, self.inputs[name]]
        return W.VBox([W.HBox(parts), self.notes[name]])

    def _find(self) -> None:
        """Find the trainings that there are: the studies of one's own, those last at work first."""
        own = [path.stem for path in sorted(checks.paths.studies().glob("*.yaml"))]
        order = {name: place for place, name in enumerate(under_way.known())}
        options = (NEW, *sorted(own, key=lambda name: order.get(name, len(order))))
        if options != self.known.options:
            chosen = self.known.value
            self.busy = True
            self.known.options = options
            self.known.value = chosen if chosen in options else NEW
            self.busy = False

    def _open(self, name: str) -> None:
        """Fill the fields with those of a training."""
        if self.busy:
            return
        self.wrong, values = "", {key: field.default for key, field in FIELDS.items()} | self.begin
        if name != NEW:
            try:
                values = fields_of(studies.load(name), under_way.latest(name) or {})
            except (WorkbenchError, KeyError, TypeError) as error:
                self.wrong = str(error)
                self.monitor.watch(name)
                self._look()
                return
        self.fill(values)
        if name != NEW or not self.monitor.study:
            self.monitor.watch("" if name == NEW else name)

    def _look(self) -> None:
        """Show the state of the training that the fields name, and which buttons it leaves."""
        name = self.checked.chosen.get("name") or ""
        self.process = under_way.latest(name) if name else None
        state = self.process["state"] if self.process else ""
        live = state in under_way.LIVE
        names = {"pausing": "Go on", "paused": "Go on"} | ENDED
        self.buttons["Start"].description = names.get(state, "Start")
        self.buttons["Start"].disabled = not (state in ("pausing", "paused") or (self.checked.good and not live))
        self.buttons["Pause"].disabled = state != "running"
        self.buttons["Stop"].disabled = not live
        self.buttons["Stop"].description = "End at once" if state == "stopping" else "Stop"
        self.buttons["Save"].disabled = not self.checked.good or live
        self.state.value = saying.state(self.process) + saying.small(self.wrong, saying.WRONG)


def _is_live(name: str) -> bool:
    process = under_way.latest(name)
    return process is not None and process["state"] in under_way.LIVE


def _input(name: str, field: Field) -> W.Widget:
    """Return the input of a field."""
    layout = W.Layout(width=INPUT)
    if field.kind == "yes":
        return W.Checkbox(
            description=field.label, indent=False, layout=W.Layout(width="auto", margin=f"0 0 0 {INDENT}")
        )
    if isinstance(field.kind, tuple):
        return W.Dropdown(options=field.kind, value=field.default, layout=layout)
    # A folder is looked through when its name is whole, with Enter or on leaving the field: it may be a large one.
    return W.Text(value=str(field.default), continuous_update=name != "root", layout=layout)


__all__ = ["TrainingPanel"]
