"""No message leaves in any other way than through the functions that make it safe."""

from __future__ import annotations

import ast
from pathlib import Path

import cogs
from bot.discord_adapter.http import MessagePayload
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

SENDING = {"send", "send_message", "edit_message", "edit_original_response", "reply"}
"""Methods of discord.py that put text into a message."""

HOSTILE_QUESTION = "[free nitro](https://evil.test/x) discord.gg/abc @everyone https://evil.test <@&1>"


def test_no_cog_sends_or_edits_a_message_by_itself() -> None:
    folder = Path(cogs.__file__).parent
    calls = [
        f"{path.name}:{node.lineno} {node.func.attr}"
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDING
    ]
    assert calls == []


def test_every_payload_is_without_previews_and_pings_and_foreign_links() -> None:
    body = MessagePayload("See https://evil.test/x and <https://docs.example.com/>").to_json()
    assert body["flags"] == 4
    assert body["allowed_mentions"]["parse"] == []
    assert body["content"] == "See https\\://evil.test/x and <https://docs.example.com/>"


async def test_the_message_that_leads_to_a_thread_shows_a_hostile_question_inert() -> None:
    async with running_bot() as running:
        ben = running.world.find_user("Ben").id
        running.world.people.use_command(running.general.id, ben, "ask", {"question": HOSTILE_QUESTION, "thread": True})
        await wait_until(lambda: bool(running.answerer.questions))
        await running.wait_until_idle()
        (message,) = running.bot_messages()
        assert message.current_state.content.startswith("\\[free nitro\\]\\(https\\://evil.test/x)")
        assert "Answered in <#" in message.current_state.content
