"""A button for a form: it is pressed with what the fields hold in the page, not with what the kernel knows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anywidget
import ipywidgets
import traitlets

from workbench.interact.assets import text


class FormButton(anywidget.AnyWidget):
    """A button that looks like ipywidgets', and tells what stood in the fields of a form when it was pressed.

    A page tells of a press at once, but of changes one at a time, the next when the kernel has dealt with the last. So
    who types a number and presses Start without a pause would start with the number before.

    Parameters
    ----------
    description, icon : str
        Its words, and its sign, a name of Font Awesome's.
    fields : mapping of str to Widget
        The fields by name; each has a `value`, and where it is one of a list, that is what the list shows.
    on_press : function
        Takes the values by name.
    """

    _esm = text("common.js", "pressing.js")
    description = traitlets.Unicode().tag(sync=True)
    icon = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    fields = traitlets.Dict().tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(
        self,
        *,
        description: str,
        icon: str,
        fields: Mapping[str, ipywidgets.Widget],
        on_press: Callable[[dict[str, str | bool]], None],
        **options,
    ):
        super().__init__(description=description, icon=icon, fields=dict(fields), **options)
        self.pressed = on_press
        self.on_msg(lambda _widget, content, _buffers: on_press(content["values"]) if "values" in content else None)

    def click(self) -> None:
        """Press it from here, with the values that are known here."""
        self.pressed({name: one.value for name, one in self.fields.items()})
