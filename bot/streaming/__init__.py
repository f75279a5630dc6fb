"""Streams answers: text and time in, posts and edits out, in the order that the rate limits allow."""

from bot.streaming.actions import (
    ATTACHMENT_NAME,
    EMPTY_ANSWER,
    WRITING_CURSOR,
    Closing,
    Edit,
    Post,
    TextFilter,
    Urgency,
)
from bot.streaming.driver import Driver
from bot.streaming.markdown.tables import Table, parse_table_header, split_cells
from bot.streaming.paging import PAGE_LIMIT
from bot.streaming.protocols import (
    Ended,
    EndReason,
    Failed,
    FileRefused,
    Lost,
    OutOfTime,
    Restarting,
    Stalled,
    Stopped,
    StreamStart,
    Surface,
    SurfaceBusy,
    SurfaceGone,
    TextSource,
    TooLong,
)
from bot.streaming.rate_limits import EditClaim, RateLimiter, bucket_for_posts
from bot.streaming.reply import Pace, PageLimits, Reply, render_final_pages, strip_cursor
from bot.streaming.run import Deadlines

__all__ = [
    "ATTACHMENT_NAME",
    "EMPTY_ANSWER",
    "PAGE_LIMIT",
    "WRITING_CURSOR",
    "Closing",
    "Deadlines",
    "Driver",
    "Edit",
    "EditClaim",
    "EndReason",
    "Ended",
    "Failed",
    "FileRefused",
    "Lost",
    "OutOfTime",
    "Pace",
    "PageLimits",
    "Post",
    "RateLimiter",
    "Reply",
    "Restarting",
    "Stalled",
    "Stopped",
    "StreamStart",
    "Surface",
    "SurfaceBusy",
    "SurfaceGone",
    "Table",
    "TextFilter",
    "TextSource",
    "TooLong",
    "Urgency",
    "bucket_for_posts",
    "parse_table_header",
    "render_final_pages",
    "split_cells",
    "strip_cursor",
]
