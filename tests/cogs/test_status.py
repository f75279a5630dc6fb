"""/about says what is searchable now, to the one who asked."""

from __future__ import annotations

from bot.domain import LibraryState, Progress
from bot.simulator.world import MessageFlag
from cogs.status import described
from tests.fakes.answerer import FakeLibrary, Script
from tests.fakes.bot_in_guild import laid, until


async def test_about_is_told_to_the_asker_alone() -> None:
    async with laid(Script(), FakeLibrary(LibraryState(12, 1_430, "none"))) as table:
        table.use("about")
        await until(lambda: bool(table.shown() and table.shown()[0].now.content))
        (message,) = table.shown()
    assert "12 documents, 1,430 passages · searched by keywords only" in message.now.content
    assert message.audience == table.standin.world.user_named("Ada").id
    assert message.now.flags & MessageFlag.SUPPRESS_EMBEDS


def test_a_running_ingestion_is_told_without_naming_a_file() -> None:
    running = Progress(files_done=1, files_total=3, nodes_done=1, current="board/salaries.md")
    said = described(LibraryState(1, 1, "all-MiniLM-L6-v2", running))
    assert "1 document, 1 passage · searched by keywords and `all-MiniLM-L6-v2`" in said
    assert "1 of 3 files, 1 passage so far" in said
    assert "salaries" not in said
