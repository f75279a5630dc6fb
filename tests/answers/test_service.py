"""AnswerService: admission first, one stored record per question, and an answer whatever the records do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from bot.access.admission import Admission
from bot.access.budgets import Limits
from bot.access.guild_settings import GuildSettings
from bot.answers.service import AnswerCounts, AnswerService
from bot.domain import Attachment, Question, Scope
from bot.errors import QuestionInvalid, QuestionRefused
from bot.records import IN_MEMORY, AnswerRecord, AnswerStatus, SqlRecords
from bot.streaming import Driver, Ended, Lost, RateLimiter, Stopped
from tests.fakes.answerer import BuildingAnswerer, FakeAnswer, FakeAnswerer, Pause, Script
from tests.fakes.destination import FakeDestination
from tests.fakes.surface import FakeSurface, Server
from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_Records = TypeVar("_Records", bound=SqlRecords)
ANSWER_ID = "17"
QUESTION = Question("How long?", ANSWER_ID, asker_id=7, guild_id=8, channel_id=9, asked_at=1_000.0)
TWO_WEEKS = Script(["Two weeks."])


class FaultyRecords(SqlRecords):
    """Records with an unexpected fault after ``good_writes`` writes."""

    good_writes = 0

    async def save_answer(self, record: AnswerRecord) -> None:
        await asyncio.sleep(0.01)
        if not self.good_writes:
            raise ZeroDivisionError
        self.good_writes -= 1
        await super().save_answer(record)


def make_surface() -> FakeSurface:
    return FakeSurface(Server(), "channel:1")


def make_service(records: SqlRecords, script: Script = TWO_WEEKS, admission: Admission | None = None) -> AnswerService:
    return AnswerService(FakeAnswerer(script), Driver(RateLimiter()), records, admission=admission)


def run_with_records(scenario: Callable[[_Records], Awaitable[None]], kind: type[_Records]) -> None:
    """Run a scenario in virtual time with records in memory."""

    async def run() -> None:
        async with kind.open(IN_MEMORY) as records:
            await scenario(records)

    run_virtual(run())


@pytest.mark.parametrize("good_writes", [0, 1])
def test_failing_records_do_not_interrupt_an_answer(good_writes: int, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(records: FaultyRecords) -> None:
        records.good_writes = good_writes
        service, surface = make_service(records), make_surface()
        assert await service.ask(QUESTION, FakeDestination(surface)) == Ended()
        assert surface.pages[0].startswith("Two weeks.")
        assert not service.is_writing(ANSWER_ID)
        await service.wait_until_done()

    run_with_records(scenario, FaultyRecords)
    faults = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(faults) == 2 - good_writes
    assert all(record.exc_info and ANSWER_ID in record.getMessage() for record in faults)


def test_question_becomes_one_record_with_its_answer() -> None:
    async def scenario(records: SqlRecords) -> None:
        question = replace(QUESTION, scope=Scope(frozenset({"hr"})), attachment_names=("a.pdf",), is_automatic=True)
        await make_service(records).ask(question, FakeDestination(make_surface(), channel_id=99))
        record = await records.load_answer(ANSWER_ID)
        assert record is not None
        assert (record.question, record.text, record.status) == ("How long?", "Two weeks.", AnswerStatus.COMPLETE)
        assert (record.asker_id, record.guild_id, record.asked_at) == (7, 8, 1_000.0)
        assert (record.channel_id, record.scope, record.attached) == (99, Scope(frozenset({"hr"})), ("a.pdf",))
        assert record.is_automatic
        assert record.ended_at is not None

    run_with_records(scenario, SqlRecords)


def test_refused_question_opens_nothing_and_is_not_stored() -> None:
    async def scenario(records: SqlRecords) -> None:
        destination = FakeDestination(make_surface(), channel_ids=(1,))
        with pytest.raises(QuestionRefused, match="I answer in <#5>"):
            await make_service(records).ask(QUESTION, destination, GuildSettings(channels=frozenset({5})))
        assert destination.opened == 0
        assert await records.load_answer(ANSWER_ID) is None

    run_with_records(scenario, SqlRecords)


def test_question_that_cannot_be_acknowledged_gives_its_reservation_back() -> None:
    async def scenario(records: SqlRecords) -> None:
        admission = Admission(records, limits=Limits(per_minute=0, at_once=1), estimate=100)
        service = make_service(records, admission=admission)
        assert isinstance(await service.ask(QUESTION, FakeDestination(None)), Lost)
        assert admission.count_tokens_today() == 0
        assert await service.ask(replace(QUESTION, answer_id="18"), FakeDestination(make_surface())) == Ended()

    run_with_records(scenario, SqlRecords)


def test_question_is_enriched_when_its_turn_comes() -> None:
    async def enrich(question: Question) -> Question:
        return replace(question, attachments=(Attachment("a.md", "Text"),), scope=Scope(frozenset({"hr"})))

    async def scenario(records: SqlRecords) -> None:
        answerer = FakeAnswerer(TWO_WEEKS)
        service = AnswerService(answerer, Driver(RateLimiter()), records)
        await service.ask(QUESTION, FakeDestination(make_surface()), enrich=enrich)
        assert answerer.questions[0].attachments == (Attachment("a.md", "Text"),)
        record = await records.load_answer(ANSWER_ID)
        assert record is not None
        assert record.scope == Scope(frozenset({"hr"}))

    run_with_records(scenario, SqlRecords)


def test_failing_enrichment_ends_the_answer_with_its_message() -> None:
    async def enrich(_: Question) -> Question:
        raise QuestionInvalid("a.pdf was not read: it is damaged.")

    async def scenario(records: SqlRecords) -> None:
        surface = make_surface()
        await make_service(records).ask(QUESTION, FakeDestination(surface), enrich=enrich)
        assert surface.pages == ["a.pdf was not read: it is damaged."]

    run_with_records(scenario, SqlRecords)


def test_answer_that_is_ready_is_written_without_searching_again() -> None:
    async def scenario(records: SqlRecords) -> None:
        answerer, surface = FakeAnswerer(TWO_WEEKS), make_surface()
        service = AnswerService(answerer, Driver(RateLimiter()), records)
        await service.ask(QUESTION, FakeDestination(surface), answer=FakeAnswer(Script(["Ready."])))
        assert surface.pages[0].startswith("Ready.")
        assert not answerer.questions

    run_with_records(scenario, SqlRecords)


def test_open_answers_are_counted_recalled_and_waited_for() -> None:
    async def scenario(records: SqlRecords) -> None:
        slow = FakeAnswerer(Script(["Two ", Pause(5.0), "weeks."]))
        service = AnswerService(slow, Driver(RateLimiter()), records, limit=1)
        tasks = [
            asyncio.create_task(
                service.ask(replace(QUESTION, answer_id=str(number), asker_id=number), FakeDestination(make_surface()))
            )
            for number in (1, 2)
        ]
        await asyncio.sleep(1.0)
        assert service.counts() == AnswerCounts(running=1, waiting=1)
        assert service.counts((2, 8)) == AnswerCounts(running=0, waiting=1)
        assert service.counts((2, None)) == AnswerCounts(running=0, waiting=0)
        recalled = await service.recall("1")
        assert recalled is not None
        assert (recalled.text, recalled.status) == ("Two ", AnswerStatus.WRITING)
        assert service.is_writing("1")
        assert service.is_writing("2")
        await service.wait_until_done("1")
        assert not service.is_writing("1")
        stored = await records.load_answer("1")
        assert stored is not None
        assert stored.ended_at is not None
        await service.wait_until_done()
        assert service.counts() == AnswerCounts(running=0, waiting=0)
        assert all(task.done() for task in tasks)

    run_with_records(scenario, SqlRecords)


def test_question_during_the_first_reading_waits_and_is_answered_in_the_same_message() -> None:
    async def scenario(records: SqlRecords) -> None:
        answerer, surface = BuildingAnswerer(TWO_WEEKS, files=12, seconds_per_file=10.0), make_surface()
        service = AnswerService(answerer, Driver(RateLimiter()), records)
        asking = asyncio.create_task(service.ask(QUESTION, FakeDestination(surface)))
        await asyncio.sleep(5.0)
        assert [page.split(" …")[0] for page in surface.pages] == ["Reading the documents"]
        await asyncio.sleep(30.0)
        assert [page.split(" …")[0] for page in surface.pages] == ["Reading the documents, 3 of 12"]
        assert await asking == Ended()
        assert len(surface.pages) == 1
        assert surface.pages[0].startswith("Two weeks.")

    run_with_records(scenario, SqlRecords)


def test_question_that_waits_for_the_first_reading_can_be_stopped() -> None:
    async def scenario(records: SqlRecords) -> None:
        surface = make_surface()
        service = AnswerService(BuildingAnswerer(TWO_WEEKS, 12, 10.0), Driver(RateLimiter()), records)
        asking = asyncio.create_task(service.ask(QUESTION, FakeDestination(surface)))
        await asyncio.sleep(5.0)
        assert service.stop(ANSWER_ID, "Ada")
        assert await asking == Stopped("Ada")
        assert surface.pages == ["Stopped by Ada."]

    run_with_records(scenario, SqlRecords)
