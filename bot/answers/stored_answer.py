"""Renders an answer again from its record, as it was shown at its end. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answers.status_lines import format_stored_note
from bot.streaming import Closing, PageLimits, render_final_pages
from bot.text.citations import find_allowed_urls, find_citation_links, format_footer

if TYPE_CHECKING:
    from bot.records import AnswerRecord


def render_page(record: AnswerRecord, message_id: int) -> str | None:
    """Return what a message of an ended answer shows; None if it is not known which page the message is."""
    if message_id not in record.message_ids:
        return None
    has_text = bool(record.text.strip())
    pages = render_final_pages(
        record.text,
        Closing(
            note=format_stored_note(record.status, has_text=has_text),
            footer=format_footer(record.text, record.sources) if has_text else "",
        ),
        allowed_urls=find_allowed_urls(record.sources),
        citations=find_citation_links(record.sources),
        # A page for each message: what did not fit is in the file of the last one.
        page_limits=PageLimits(max_pages=len(record.message_ids)),
    )
    index = record.message_ids.index(message_id)
    return pages[index] if index < len(pages) else None
