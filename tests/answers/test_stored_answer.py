"""An ended answer, shown again from its record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.answers.session import AnswerSession
from bot.answers.stored_answer import render_page
from bot.domain import AnswerStatus, Question
from bot.records import AnswerRecord
from bot.streaming import Closing, Ended, PageLimits, render_final_pages
from bot.text.citations import find_allowed_urls, find_citation_links
from tests.fakes.answerer import HANDBOOK, FakeAnswerer, Script

TEXT = "Two weeks [1].\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n" + "A sentence of the answer. " * 150


def make_record(**fields: object) -> AnswerRecord:
    record = AnswerRecord("1", "How long?", 7, 5, 9, 0.0, text=TEXT, sources=(HANDBOOK,), message_ids=(11, 12, 13))
    return replace(record, status=AnswerStatus.COMPLETE, **fields)  # type: ignore[arg-type]


async def test_complete_answer_is_rendered_as_it_was_shown_at_its_end() -> None:
    session = AnswerSession(FakeAnswerer(Script([TEXT])), Question("How long?", answer_id="1"))
    start = await session.begin()
    _ = [delta async for delta in session.deltas()]
    shown = render_final_pages(
        session.text, session.closing(Ended()), allowed_urls=start.allowed_urls, citations=start.citations
    )
    record = make_record(sources=tuple(session.sources), message_ids=tuple(range(11, 11 + len(shown))))
    assert [render_page(record, message_id) for message_id in record.message_ids] == shown
    assert len(shown) > 1


def test_message_that_is_no_page_is_not_rendered() -> None:
    assert render_page(make_record(), 99) is None
    assert render_page(make_record(message_ids=()), 11) is None
    assert render_page(make_record(text="Short.", sources=()), 12) is None


@pytest.mark.parametrize(
    ("status", "note"),
    [
        (AnswerStatus.COMPLETE, ""),
        (AnswerStatus.CUT_AT_LENGTH, "\n\n-# Cut off: the model reached its length limit. Ask for the rest."),
        (AnswerStatus.STOPPED, "\n\n-# Stopped."),
        (AnswerStatus.STALLED, "\n\n-# Interrupted. Timeout: the model stopped sending. Ask again to retry."),
        (AnswerStatus.LOST, "\n\n-# Interrupted. Discord did not take the rest of the answer."),
    ],
)
def test_note_says_how_the_answer_ended(status: AnswerStatus, note: str) -> None:
    record = replace(make_record(text="Two weeks.", sources=(), message_ids=(11,)), status=status)
    assert render_page(record, 11) == f"Two weeks.{note}"


def test_answer_without_text_is_its_note() -> None:
    record = replace(make_record(text="", sources=(), message_ids=(11,)), status=AnswerStatus.FAILED)
    assert render_page(record, 11) == "Interrupted. The answer failed: ask again to retry."


def test_final_pages_are_those_of_a_reply_that_received_the_text_piece_by_piece() -> None:
    urls, links = find_allowed_urls([HANDBOOK]), find_citation_links([HANDBOOK])
    pages = render_final_pages(
        TEXT, Closing(note="-# End."), allowed_urls=urls, citations=links, page_limits=PageLimits(600, 3)
    )
    assert len(pages) > 1
    assert all(len(page) <= 600 for page in pages)
    assert pages[-1].endswith("-# End.")
