"""How many questions have files read at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from bot.discord_adapter.attachments import AttachmentReader
from bot.domain import Attachment, Question

if TYPE_CHECKING:
    import discord


@dataclass(frozen=True, slots=True)
class FakeFile:
    filename: str = "a.txt"
    size: int = 1
    content_type: str = "text/plain"

    async def read(self) -> bytes:
        return b"a"


class HoldingReader:
    """Reads no file before it is allowed to; counts the readers of each time."""

    def __init__(self) -> None:
        self.running = 0
        self.allowed = asyncio.Event()

    async def read(self, name: str, content: bytes) -> Attachment:
        self.running += 1
        await self.allowed.wait()
        self.running -= 1
        return Attachment(name, content.decode())


def make_question(asker: int, guild: int | None) -> Question:
    return Question("?", "1", asker_id=asker, guild_id=guild)


@pytest.mark.parametrize(
    ("questions", "running"),
    [
        ([(1, 5), (1, 5), (1, 5)], 1),  # one person takes one place
        ([(1, 5), (2, 5), (3, 5)], 2),  # one server takes two
        ([(1, 5), (2, 5), (3, 6), (4, None)], 4),  # others do not wait for them
        ([(1, 5), (1, None)], 1),  # one person, in a server and in direct messages
    ],
)
async def test_places_of_a_person_and_of_a_server_are_limited_and_all_are_read_in_the_end(
    questions: list[tuple[int, int | None]], running: int
) -> None:
    holding = HoldingReader()
    reader = AttachmentReader(holding, per_person=1, per_server=2)
    files = [cast("discord.Attachment", cast("Any", FakeFile()))]
    reading = [asyncio.create_task(reader.read(make_question(*asked), files)) for asked in questions]
    await asyncio.sleep(0.1)
    assert holding.running == running
    holding.allowed.set()
    read = await asyncio.gather(*reading)
    assert all(each.attachments == (Attachment("a.txt", "a"),) for each in read)


async def test_cancelled_question_frees_its_place() -> None:
    holding = HoldingReader()
    reader = AttachmentReader(holding, per_person=1)
    files = [cast("discord.Attachment", cast("Any", FakeFile()))]
    first = asyncio.create_task(reader.read(make_question(1, 5), files))
    second = asyncio.create_task(reader.read(make_question(1, 5), files))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    holding.allowed.set()
    assert (await second).attachments
