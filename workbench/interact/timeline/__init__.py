"""A long recording (a call, an interview, an hour): who shows and who says what, as a finished run names it, over time.

``timeline(path, run)`` watches it once, in flat memory, and gives a `Timeline`; ``write("report.html")`` leaves a page
that needs nothing beside it, and tables. What the run cannot know, the report says.
"""

from workbench.interact.timeline.result import Timeline, timeline
from workbench.interact.timeline.settings import Settings
from workbench.interact.timeline.staging import stage

__all__ = ["Settings", "Timeline", "stage", "timeline"]
