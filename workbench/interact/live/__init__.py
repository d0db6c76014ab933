"""Live: camera and microphone in the browser, the light model's answer a moment later, on this machine alone.

`connect` gives a place in the model process, which all guests share; `Live` is the widget that fills it from camera
and microphone, `play` does so from a recording. Everything that arrives is forgotten after some seconds, unless a guest
asks for it to be recorded.
"""

from workbench.interact.live.choice import chosen
from workbench.interact.live.client import Guest, connect
from workbench.interact.live.feed import FPS, Tick, play, shown, ticks, ticks_of
from workbench.interact.live.recording import Recording
from workbench.interact.live.session import Light, Session, load
from workbench.interact.live.widget import Live

__all__ = [
    "FPS",
    "Guest",
    "Light",
    "Live",
    "Recording",
    "Session",
    "Tick",
    "chosen",
    "connect",
    "load",
    "play",
    "shown",
    "ticks",
    "ticks_of",
]
