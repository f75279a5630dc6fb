"""One question told to its end: what the asker reads first, and the words for every way it can end."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.session import Telling, reading
from bot.domain import Ending, Outcome, Question, Source
from bot.errors import IndexBuilding, ModelInterrupted, ModelRefused, NothingFound
from bot.records import Fate
from bot.streaming import Ended, Failed, OutOfTime, Restarting, Stalled, Stopped
from tests.fakes.answerer import HANDBOOK, TRAVEL, FakeAnswerer, Script

if TYPE_CHECKING:
    from bot.streaming import Cause

INTERRUPTIONS = [
    Failed(ModelInterrupted("The connection to the model was lost.")),
    Failed(KeyError("sk-secret")),
    Restarting(),
    Stalled(45.0),
    OutOfTime(840.0),
    Stopped("Ada"),
]


async def told(script: Script) -> Telling:
    """A telling whose script has been heard as far as it goes."""
    telling = Telling(FakeAnswerer(script), Question("Refunds?", key="1"))
    try:
        await telling.begin()
        async for _ in telling.deltas():
            pass
    except Exception:  # noqa: BLE001 - the script broke off where it was meant to
        return telling
    return telling


async def note(script: Script, cause: Cause) -> str:
    return (await told(script)).closing(cause).note


async def test_the_status_line_names_what_is_read_and_only_sources_may_be_linked() -> None:
    begun = await Telling(FakeAnswerer(Script()), Question("Refunds?", key="1")).begin()
    assert begun.status == "Reading Handbook › Refunds · Travel, page 3 …"
    assert begun.links == {"https://team.example/h"}


def test_the_status_line_counts_the_documents_it_does_not_name() -> None:
    others = [Source(n, f"{n}.md", f"T{n}", "") for n in range(3, 6)]
    again = Source(9, "handbook.md", "Handbook", "", section="Elsewhere")
    status = reading([HANDBOOK, again, TRAVEL, *others])
    assert status == "Reading Handbook › Refunds · Travel, page 3 + 3 more …"


def test_a_status_line_stands_even_without_a_source() -> None:
    assert reading([]) == "Reading the documents …"


async def test_deltas_pass_through_unchanged_and_are_kept() -> None:
    telling = Telling(FakeAnswerer(Script(["Two ", "weeks [1]."])), Question("Refunds?", key="1"))
    await telling.begin()
    assert [delta async for delta in telling.deltas()] == ["Two ", "weeks [1]."]
    assert telling.text == "Two weeks [1]."


async def test_deltas_before_the_beginning_are_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        Telling(FakeAnswerer(Script()), Question("Refunds?", key="1")).deltas()


async def test_a_whole_answer_ends_with_its_sources_and_no_note() -> None:
    closing = (await told(Script(["Two weeks [1]."]))).closing(Ended())
    assert not closing.note
    assert closing.footer == "-# **Sources**\n-# [1] [Handbook](<https://team.example/h>) › Refunds"


async def test_a_notice_stands_below_a_whole_answer_and_an_interrupted_one() -> None:
    script = Script(["Two weeks [1]."], notice="Searched by keywords only")
    assert await note(script, Ended()) == "-# Searched by keywords only"
    assert (await note(script, Restarting())).endswith("\n-# Searched by keywords only")


@pytest.mark.parametrize(
    ("ending", "word"), [(Ending.CUT_AT_LENGTH, "length limit"), (Ending.FILTERED, "provider's filter")]
)
async def test_an_answer_the_model_did_not_finish_says_so(ending: Ending, word: str) -> None:
    said = await note(Script(["Two we"], outcome=Outcome(ending)), Ended())
    assert said.startswith("-# Cut off")
    assert word in said


@pytest.mark.parametrize("cause", INTERRUPTIONS)
async def test_after_some_text_an_interruption_is_small_print_below_it(cause: Cause) -> None:
    said = await note(Script(["Two we"]), cause)
    assert re.fullmatch(r"-# (Interrupted|Stopped)\b[^\n]+\.", said)


@pytest.mark.parametrize("cause", INTERRUPTIONS)
async def test_before_any_text_the_words_are_the_message(cause: Cause) -> None:
    said = await note(Script(), cause)
    assert re.fullmatch(r"[A-Z][^\n]+\.", said)


@pytest.mark.parametrize(
    "error",
    [
        NothingFound("The documents do not speak of it."),
        IndexBuilding("Documents are still being read: 5 of 12 files."),
        ModelRefused("The key is not accepted; whoever runs Docent must renew it."),
    ],
)
async def test_a_known_failure_is_told_in_its_own_words(error: Exception) -> None:
    closing = (await told(Script(refusal=error))).closing(Failed(error))
    assert closing.note == str(error)
    assert not closing.footer


async def test_what_was_read_is_listed_even_if_the_model_then_fails() -> None:
    error = ModelRefused("The key is not accepted.")
    closing = (await told(Script([error]))).closing(Failed(error))
    assert closing.footer.startswith("-# **Passages read**\n-# [1] ")


async def test_what_the_operator_can_mend_is_also_logged(caplog: pytest.LogCaptureFixture) -> None:
    await note(Script(), Failed(ModelRefused("The key is not accepted.")))
    assert "Answer 1: The key is not accepted." in caplog.text


async def test_what_nobody_need_mend_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await note(Script(), Failed(NothingFound("The documents do not speak of it.")))
    assert not caplog.records


async def test_a_failure_nobody_foresaw_shows_a_reference_and_logs_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = await note(Script(), Failed(KeyError("sk-secret")))
    assert "secret" not in said
    reference = re.search(r"under ([0-9A-F]{6})\.", said)
    assert reference
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert reference[1] in record.getMessage()
    assert record.exc_info


@given(st.text())
async def test_whoever_stopped_it_cannot_write_markdown_by_their_name(name: str) -> None:
    said = await note(Script(["Two we"]), Stopped(name))
    assert said.startswith("-# Stopped by")
    assert "\n" not in said
    assert not re.search(r"(?<!\\)[*_~`|<>\[\]@]", said.replace(r"\\", ""))


@pytest.mark.parametrize(
    ("cause", "fate"),
    [
        (Ended(), Fate.COMPLETE),
        (Failed(NothingFound("Nothing.")), Fate.NOT_FOUND),
        (Stopped("Ada"), Fate.STOPPED),
        (Restarting(), Fate.RESTARTING),
        (Stalled(45.0), Fate.STALLED),
        (OutOfTime(840.0), Fate.OUT_OF_TIME),
    ],
)
async def test_what_became_of_it_is_known_once_the_reader_is_told(cause: Cause, fate: Fate) -> None:
    telling = await told(Script(["Two weeks [1]."]))
    assert telling.fate is Fate.WRITING
    telling.closing(cause)
    assert telling.fate is fate


@pytest.mark.parametrize(
    ("ending", "fate"),
    [
        (Ending.CUT_AT_LENGTH, Fate.CUT_AT_LENGTH),
        (Ending.FILTERED, Fate.FILTERED),
        (Ending.NOT_FOUND, Fate.NOT_FOUND),
    ],
)
async def test_an_end_the_model_did_not_choose_is_told_apart(ending: Ending, fate: Fate) -> None:
    telling = await told(Script(["Two we"], outcome=Outcome(ending)))
    telling.closing(Ended())
    assert telling.fate is fate


async def test_marks_are_rewritten_for_the_reader_and_never_in_what_is_kept() -> None:
    telling = Telling(FakeAnswerer(Script(["Two weeks [1] [9]."])), Question("Refunds?", key="1"))
    rewriting = (await telling.begin()).rewriting
    assert rewriting
    said = [delta async for delta in telling.deltas()]
    assert "".join(map(rewriting.feed, said)) + rewriting.flush() == "Two weeks [[1]](<https://team.example/h>)."
    assert telling.text == "Two weeks [1] [9]."
