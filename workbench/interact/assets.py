"""What every widget here shares: its script and style, read from the files beside this one, and a picture for print."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def text(*names: str) -> str:
    """Return files of this folder, one after the other: the helpers that scripts share go before the script itself."""
    return "\n".join((FOLDER / name).read_text() for name in names)


class Pictured:
    """A widget that also gives a picture, for whoever reads an executed notebook without a kernel.

    A subclass defines `picture() -> Figure or None`. Notebooks show it once more beside the widget, since JupyterLab
    does not fall back on it.
    """

    def picture(self):
        """Return what the widget shows as a figure, None where there is nothing yet."""
        return None

    def _repr_png_(self) -> bytes | None:
        figure = self.picture()
        return None if figure is None else figure._repr_png_()
