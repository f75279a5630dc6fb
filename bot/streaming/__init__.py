"""The door of the streaming room: text and time go in, posts and edits come out, in an order the lanes allow."""

from bot.streaming.actions import ATTACHMENT, WORDLESS, WRITING, Closing, Edit, Post, Rewriting, Urgency
from bot.streaming.driver import Driver
from bot.streaming.markdown.tables import Table, cells, table
from bot.streaming.paging import PAGE_LIMIT, width
from bot.streaming.protocols import (
    Begun,
    Cause,
    Ended,
    Failed,
    FileRefused,
    Lost,
    OutOfTime,
    Restarting,
    Stalled,
    Stopped,
    Streamable,
    Surface,
    SurfaceBusy,
    SurfaceGone,
)
from bot.streaming.rate_limits import Claim, Lanes, posting
from bot.streaming.reply import Extent, Pace, Reply, unmarked
from bot.streaming.run import Deadlines

__all__ = [
    "ATTACHMENT",
    "PAGE_LIMIT",
    "WORDLESS",
    "WRITING",
    "Begun",
    "Cause",
    "Claim",
    "Closing",
    "Deadlines",
    "Driver",
    "Edit",
    "Ended",
    "Extent",
    "Failed",
    "FileRefused",
    "Lanes",
    "Lost",
    "OutOfTime",
    "Pace",
    "Post",
    "Reply",
    "Restarting",
    "Rewriting",
    "Stalled",
    "Stopped",
    "Streamable",
    "Surface",
    "SurfaceBusy",
    "SurfaceGone",
    "Table",
    "Urgency",
    "cells",
    "posting",
    "table",
    "unmarked",
    "width",
]
