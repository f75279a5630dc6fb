"""Writes the status lines and closing notes of an answer, and recognises them when messages are read back.

Both are in one module, so that no other module knows these sentences.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.domain import AnswerStatus
from bot.streaming import (
    PAGE_LIMIT,
    WRITING_CURSOR,
    OutOfTime,
    Restarting,
    Stalled,
    Stopped,
    TooLong,
    strip_cursor,
)
from bot.text.citations import escape_markdown, format_location
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import Source
    from bot.streaming import EndReason

SEARCHING = "Searching…"
AUTOMATIC_NOTE = "Answered automatically, from this team's documents."

_SUBTEXT_PREFIX = "-# "
_INTERRUPTED = "Interrupted. "
_STOPPED_BY = "Stopped by "
INTERRUPTED_NOTE = f"{_SUBTEXT_PREFIX}{_INTERRUPTED}Docent was restarted: ask again."
"""The closing note of an answer whose process was killed."""
REFUSED_NOTE = f"{_SUBTEXT_PREFIX}{_INTERRUPTED}Discord refused the rest of the answer."
"""The closing note of an answer of which Discord does not take an edit."""

_FINISH_NOTES = {
    AnswerStatus.CUT_AT_LENGTH: "Cut off: the model reached its length limit. Ask for the rest.",
    AnswerStatus.FILTERED: "Cut off: the model provider's filter stopped the answer.",
}

_STORED_REASONS = {
    AnswerStatus.FAILED: "The answer failed: ask again to retry.",
    AnswerStatus.STALLED: "Timeout: the model stopped sending. Ask again to retry.",
    AnswerStatus.OUT_OF_TIME: "Timeout: the answer took too long. Ask for less at once.",
    AnswerStatus.RESTARTING: "Docent was restarted: ask again.",
    AnswerStatus.LOST: "Discord did not take the rest of the answer.",
}

_MAX_LISTED_DOCUMENTS = 2
"""Documents that a status line names; the others are counted."""
_MINUTE = 60
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
_TEENS = range(10, 20)

_STATUS_LINE = re.compile(r"(?:“.*”\n)?(?:Searching|Reading|You are \d+).*…(?: \d+ s)?")


def format_queue_position(ahead: int) -> str:
    """Return the status line of a queued answer; ``ahead`` counts from 1, the next to be answered."""
    suffix = "th" if ahead % 100 in _TEENS else _ORDINALS.get(ahead % 10, "th")
    return f"You are {ahead}{suffix} in line…"


def format_first_reading(files_done: int, files_total: int) -> str:
    """Return the status line of an answer that waits until the documents are read for the first time."""
    progress = f", {files_done:,} of {files_total:,}" if files_total else ""
    return f"Reading the documents{progress} …"


def format_reading_status(sources: Sequence[Source], searched_for: str = "") -> str:
    """Return the status line until the first delta: which documents the model was given, the best first.

    A question that was rewritten for the search comes before them, as a quotation.
    """
    understood = f"“{escape_markdown(searched_for)}”\n" if searched_for else ""
    best: dict[str, Source] = {}
    for source in sources:
        best.setdefault(source.document, source)
    named = " · ".join(_format_source(source) for source in list(best.values())[:_MAX_LISTED_DOCUMENTS])
    more = f" + {len(best) - _MAX_LISTED_DOCUMENTS} more" if len(best) > _MAX_LISTED_DOCUMENTS else ""
    return f"{understood}Reading {named or 'the documents'}{more} …"


def format_finish_note(status: AnswerStatus) -> str:
    """Return why the model ended before it was done; "" if it was done."""
    return _FINISH_NOTES.get(status, "")


def format_stored_note(status: AnswerStatus, *, has_text: bool) -> str:
    """Return the closing note of an answer that is shown again from its record, which does not hold the first one."""
    if status is AnswerStatus.STOPPED:
        note = "Stopped."
    elif status.is_interrupted:
        note = f"{_INTERRUPTED}{_STORED_REASONS.get(status, 'Ask again to retry.')}"
    else:
        note = format_finish_note(status)
    return format_subtext(note) if has_text or not note else note


def format_interruption(end_reason: EndReason) -> str:
    """Return what ended an answer from outside, and what to do; "" for an answer that ended by itself or failed."""
    match end_reason:
        case Stopped(by=by):
            return f"{_STOPPED_BY}{escape_markdown(by)}."
        case Restarting():
            return "Docent is restarting. Ask again in a moment."
        case Stalled(seconds=seconds):
            return f"Timeout: the model sent nothing for {seconds:.0f} s. Ask again to retry."
        case OutOfTime(seconds=seconds):
            limit = _format_duration(seconds)
            return f"Timeout: the answer took longer than {limit}. Ask again, or ask for less at once."
        case TooLong(characters=characters):
            return f"The answer reached the length limit of {characters:,} characters."
        case _:
            return ""


def format_interrupted_note(end_reason: EndReason, reason: str) -> str:
    """Return the note below text that breaks off."""
    return reason if isinstance(end_reason, Stopped) else _INTERRUPTED + reason


def format_subtext(*notes: str) -> str:
    """Return each note as one line of Discord's small text."""
    return "\n".join(f"{_SUBTEXT_PREFIX}{' '.join(note.split())}" for note in notes if note)


def append_note(content: str, note: str) -> str:
    """Return a half-written page with a note below its text, or without the note if there is no room for it."""
    said = strip_cursor(content)
    # A page that holds text ends in a mark wherever there is room for one; a status line has none.
    if said == content and utf16_length(content + WRITING_CURSOR) <= PAGE_LIMIT:
        return note
    noted = f"{said.rstrip()}\n\n{note}"
    return noted if utf16_length(noted) <= PAGE_LIMIT else said


def parse_answer_message(content: str) -> tuple[str, bool]:
    """Return the answer in one of the bot's messages without small text, and whether it is finished."""
    lines = content.splitlines()
    interrupted = tuple(_SUBTEXT_PREFIX + note.strip() for note in (_INTERRUPTED, _STOPPED_BY))
    is_whole = not any(line.startswith(interrupted) for line in lines)
    text = "\n".join(line for line in lines if not line.startswith(_SUBTEXT_PREFIX)).strip()
    is_under_way = text.endswith(WRITING_CURSOR.strip()) or _STATUS_LINE.fullmatch(text) is not None
    return text, is_whole and not is_under_way and bool(text)


def _format_source(source: Source) -> str:
    return format_location(escape_markdown(source.title) or escape_markdown(source.document), source)


def _format_duration(seconds: float) -> str:
    return f"{seconds / _MINUTE:.0f} min" if seconds >= _MINUTE else f"{seconds:.0f} s"
