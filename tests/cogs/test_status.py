"""/about says what is searchable now, to the one who asked."""

from __future__ import annotations

from bot.domain import LibraryState, Progress
from bot.simulator.world import MessageFlag
from cogs.status import format_about
from tests.fakes.answerer import FakeLibrary, Script
from tests.fakes.bot_in_guild import bot_in_guild, wait_until


async def test_about_is_shown_to_the_asker_only() -> None:
    async with bot_in_guild(Script(), FakeLibrary(LibraryState(12, 1_430, "none"))) as setup:
        setup.use_command("about")
        await wait_until(lambda: bool(setup.channel_messages() and setup.channel_messages()[0].current_state.content))
        (message,) = setup.channel_messages()
    assert "12 documents, 1,430 passages · searched by keywords only" in message.current_state.content
    assert message.visible_to_user_id == setup.simulator.world.find_user("Ada").id
    assert message.current_state.flags & MessageFlag.SUPPRESS_EMBEDS


def test_about_reports_a_running_ingestion_without_file_names() -> None:
    running = Progress(files_done=1, files_total=3, nodes_done=1, current="board/salaries.md")
    said = format_about(LibraryState(1, 1, "all-MiniLM-L6-v2", running))
    assert "1 document, 1 passage · searched by keywords and `all-MiniLM-L6-v2`" in said
    assert "1 of 3 files, 1 passage so far" in said
    assert "salaries" not in said
