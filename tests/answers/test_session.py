"""One question told to its end: what the asker reads first, and the words for every way it can end."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.session import AnswerSession
from bot.domain import AnswerStatus, Question
from bot.errors import IndexBuilding, ModelAccessDenied, ModelInterrupted, NothingFound
from bot.streaming import Ended, Failed, OutOfTime, Restarting, Stalled, Stopped
from tests.fakes.answerer import FakeAnswerer, Script

if TYPE_CHECKING:
    from bot.streaming import EndReason

INTERRUPTIONS = [
    Failed(ModelInterrupted("The connection to the model was lost.")),
    Failed(KeyError("sk-secret")),
    Restarting(),
    Stalled(45.0),
    OutOfTime(840.0),
    Stopped("Ada"),
]


async def run_session(script: Script) -> AnswerSession:
    """A session whose script has been heard as far as it goes."""
    session = AnswerSession(FakeAnswerer(script), Question("Refunds?", answer_id="1"))
    try:
        await session.begin()
        async for _ in session.deltas():
            pass
    except Exception:  # noqa: BLE001 - the script broke off where it was meant to
        return session
    return session


async def closing_note(script: Script, end_reason: EndReason) -> str:
    return (await run_session(script)).closing(end_reason).note


async def test_status_line_names_the_documents_read_and_links_only_sources() -> None:
    begun = await AnswerSession(FakeAnswerer(Script()), Question("Refunds?", answer_id="1")).begin()
    assert begun.status == "Reading Handbook › Refunds · Travel, page 3 …"
    assert begun.allowed_urls == {"https://team.example/h"}


async def test_deltas_pass_through_unchanged_and_are_kept() -> None:
    session = AnswerSession(FakeAnswerer(Script(["Two ", "weeks [1]."])), Question("Refunds?", answer_id="1"))
    await session.begin()
    assert [delta async for delta in session.deltas()] == ["Two ", "weeks [1]."]
    assert session.text == "Two weeks [1]."


async def test_deltas_before_the_start_raise_an_error() -> None:
    with pytest.raises(RuntimeError):
        AnswerSession(FakeAnswerer(Script()), Question("Refunds?", answer_id="1")).deltas()


async def test_a_whole_answer_ends_with_its_sources_and_no_note() -> None:
    closing = (await run_session(Script(["Two weeks [1]."]))).closing(Ended())
    assert not closing.note
    assert closing.footer == "-# **Sources**\n-# [1] [Handbook](<https://team.example/h>) › Refunds"


async def test_notice_is_shown_below_complete_and_interrupted_answers() -> None:
    script = Script(["Two weeks [1]."], notice="Searched by keywords only")
    assert await closing_note(script, Ended()) == "-# Searched by keywords only"
    assert (await closing_note(script, Restarting())).endswith("\n-# Searched by keywords only")


@pytest.mark.parametrize(
    ("ending", "word"), [(AnswerStatus.CUT_AT_LENGTH, "length limit"), (AnswerStatus.FILTERED, "provider's filter")]
)
async def test_truncated_answer_has_a_note(ending: AnswerStatus, word: str) -> None:
    said = await closing_note(Script(["Two we"], status=ending), Ended())
    assert said.startswith("-# Cut off")
    assert word in said


@pytest.mark.parametrize("cause", INTERRUPTIONS)
async def test_after_some_text_an_interruption_is_small_print_below_it(cause: EndReason) -> None:
    said = await closing_note(Script(["Two we"]), cause)
    assert re.fullmatch(r"-# (Interrupted|Stopped)\b[^\n]+\.", said)


@pytest.mark.parametrize("cause", INTERRUPTIONS)
async def test_failure_before_any_text_is_the_whole_message(cause: EndReason) -> None:
    said = await closing_note(Script(), cause)
    assert re.fullmatch(r"[A-Z][^\n]+\.", said)


@pytest.mark.parametrize(
    "error",
    [
        NothingFound("The documents do not speak of it."),
        IndexBuilding("Documents are still being read: 5 of 12 files."),
        ModelAccessDenied("The key is not accepted; whoever runs Docent must renew it."),
    ],
)
async def test_docent_error_is_shown_with_its_user_message(error: Exception) -> None:
    closing = (await run_session(Script(refusal=error))).closing(Failed(error))
    assert closing.note == str(error)
    assert not closing.footer


async def test_passages_read_are_listed_even_if_the_model_fails() -> None:
    error = ModelAccessDenied("The key is not accepted.")
    closing = (await run_session(Script([error]))).closing(Failed(error))
    assert closing.footer.startswith("-# **Passages read**\n-# [1] ")


async def test_errors_the_operator_can_fix_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    await closing_note(Script(), Failed(ModelAccessDenied("The key is not accepted.")))
    assert "Answer 1: The key is not accepted." in caplog.text


async def test_errors_without_a_fix_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await closing_note(Script(), Failed(NothingFound("The documents do not speak of it.")))
    assert not caplog.records


async def test_unexpected_error_shows_a_reference_and_logs_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = await closing_note(Script(), Failed(KeyError("sk-secret")))
    assert "secret" not in said
    reference = re.search(r"under ([0-9A-F]{6})\.", said)
    assert reference
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert reference[1] in record.getMessage()
    assert record.exc_info


@given(st.text())
async def test_name_of_who_stopped_an_answer_is_escaped(name: str) -> None:
    said = await closing_note(Script(["Two we"]), Stopped(name))
    assert said.startswith("-# Stopped by")
    assert "\n" not in said
    assert not re.search(r"(?<!\\)[*_~`|<>\[\]@]", said.replace(r"\\", ""))


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (Ended(), AnswerStatus.COMPLETE),
        (Failed(NothingFound("Nothing.")), AnswerStatus.NOT_FOUND),
        (Stopped("Ada"), AnswerStatus.STOPPED),
        (Restarting(), AnswerStatus.RESTARTING),
        (Stalled(45.0), AnswerStatus.STALLED),
        (OutOfTime(840.0), AnswerStatus.OUT_OF_TIME),
    ],
)
async def test_status_is_set_when_the_closing_is_built(cause: EndReason, status: AnswerStatus) -> None:
    session = await run_session(Script(["Two weeks [1]."]))
    assert session.status is AnswerStatus.WRITING
    session.closing(cause)
    assert session.status is status


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (AnswerStatus.CUT_AT_LENGTH, AnswerStatus.CUT_AT_LENGTH),
        (AnswerStatus.FILTERED, AnswerStatus.FILTERED),
        (AnswerStatus.NOT_FOUND, AnswerStatus.NOT_FOUND),
    ],
)
async def test_finish_reasons_other_than_stop_are_distinguished(ending: AnswerStatus, status: AnswerStatus) -> None:
    session = await run_session(Script(["Two we"], status=ending))
    session.closing(Ended())
    assert session.status is status


async def test_citations_are_linked_for_the_reader_and_not_in_the_record() -> None:
    session = AnswerSession(FakeAnswerer(Script(["Two weeks [1] [9]."])), Question("Refunds?", answer_id="1"))
    assert (await session.begin()).citations[1] == "https://team.example/h"
    assert [delta async for delta in session.deltas()] == ["Two weeks [1] [9]."]
    assert session.text == "Two weeks [1] [9]."


async def test_reasoning_is_neither_shown_nor_recorded() -> None:
    session = AnswerSession(
        FakeAnswerer(Script(["<think>Hm", "m.</th", "ink>\n\nTwo weeks.<|im_", "end|>"])), Question("?", answer_id="1")
    )
    text_filter = (await session.begin()).text_filter
    assert text_filter
    shown = ""
    async for delta in session.deltas():
        shown += text_filter.feed(delta)
        assert "Hm" not in shown + session.text
    assert shown + text_filter.flush() == session.text == "Two weeks."
