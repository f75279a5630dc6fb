"""Signs that nobody sees, wherever a text comes from: none is shown to anybody, and none is said to a model."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.admin import document_list, feedback_export, gaps, guild_settings_text, reindex_report
from bot.answers.excerpts import quoted
from bot.answers.session import Telling, reading
from bot.discord_adapter.history import thread_name
from bot.domain import Attached, Manner, Question, Scope, Shelved, Source
from bot.knowledge.answering.prompts import named_file, numbered_passage, question_prompt
from bot.records import Fate, Feedback, Gap
from bot.settings import setting_names
from bot.streaming import Stopped
from bot.text.citations import footer
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.deployment import deployed, ingested
from tests.fakes.openai_server import Speech
from tests.safety.hidden import LEGITIMATE, TRICKS, hidden

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.openai_server import Request

TEXTS = st.lists(st.sampled_from([*TRICKS, *LEGITIMATE, *"ab1 |\n*", "refunds"]), max_size=24).map("".join)
TRICKY: Final = "".join(f"re{trick}fund" for trick in TRICKS if trick != "\x00")
"""A word with every kind of them in it, which may stand in a file's text."""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def source(text: str) -> Source:
    return Source(1, f"{text}.md", text, text, section=text, url="https://wiki.example/a")


def shown(text: str) -> dict[str, str]:
    """Everything that is made of a text for people to read, by where it stands."""
    document = Shelved(f"{text}.md", text, passages=1, url=f"https://wiki.example/{text}")
    gap = Gap("1", text, 0.0, 1, Scope(), Fate.NOT_FOUND, words=(text,))
    other = Gap("2", f"{text}?", 0.0, 1, Scope(), Fate.NOT_FOUND)
    topics = gaps.topics([gap, other], None)
    table = f"| {text.replace(chr(10), ' ')} | b |\n|---|---|\n| {text.replace(chr(10), ' ')} | 2 |"
    view = quoted([source(text), Source(2, "t.md", "Table", table)], f"{text} [1]")
    feedback = Feedback("1", text, Fate.COMPLETE, is_up=False, words=text, at=0.0, user_id=1, documents=(text,))
    return {
        "status line and rewritten question": reading([source(text)], text),
        "sources": footer("So [1].", [source(text)]),
        "passages read": footer("So.", [source(text)]),
        "sources view": "".join(view.messages),
        "sources view, as a file": quoted([source(text + " x" * 4_000)]).file.decode(),
        "documents": document_list.paged([document], 0, 0),
        "a document": document_list.described(document),
        "added": document_list.taken_in([text], {text: "damaged"}),
        "failures": reindex_report.failures({f"{text}.md": f"{text}"}, lambda _: True),
        "gaps": gaps.described(gaps.paged(topics, 0), 30),
        "gaps, as options": "".join(gaps.labelled(1, topic) for topic in topics),
        "feedback": feedback_export.exported([feedback]).content.decode("utf-8-sig"),
        "a thread": thread_name(text),
        "settings": "".join(
            guild_settings_text.described({"tone": text, "language": text}, Limits(), reads_messages=True)
        ),
    }


def said_to_a_model(text: str) -> dict[str, str]:
    """Everything of documents, files and settings that a model is told, by where it stands."""
    prompt = question_prompt("mark", manner=Manner(text, text), files=[Attached(text, text)], file_mark="other")
    messages = prompt.format_messages(context_str="", query_str="")
    return {
        "passage": numbered_passage(source(text)),
        "file": named_file(Attached(f"{text}.md", text)),
        "rules and files": "".join(str(message.content) for message in messages),
    }


@settings(deadline=None)
@given(TEXTS)
def test_nothing_hidden_is_shown_or_said_to_a_model(text: str) -> None:
    found = {place: hidden(words) for place, words in (shown(text) | said_to_a_model(text)).items()}
    assert {place: signs for place, signs in found.items() if signs} == {}


def test_a_file_whose_name_holds_a_line_end_makes_up_no_line_of_the_failures() -> None:
    listed = reindex_report.failures({"a\nb.md: all is well\u2028c.md": "damaged"}, lambda _: True)
    assert listed.splitlines() == ["a b.md: all is well c.md: damaged"]


async def answered(pieces: list[str]) -> str:
    """What a model said in these pieces, as it goes on to be shown, kept, copied and attached."""
    telling = Telling(FakeAnswerer(Script(pieces)), Question("Refunds?", key="1"))
    await telling.begin()
    told = "".join([delta async for delta in telling.deltas()])
    assert telling.text == told
    return told + telling.closing(Stopped("".join(pieces))).note


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_nothing_hidden_is_in_an_answer_however_it_is_cut(pieces: list[str]) -> None:
    assert hidden(asyncio.run(answered(pieces))) == set()


@pytest.mark.parametrize("text", LEGITIMATE, ids=ascii)
def test_what_joins_emoji_and_letters_is_seen_wherever_it_stands(text: str) -> None:
    assert {place for place, words in (shown(text) | said_to_a_model(text)).items() if text not in words} == set()
    assert text in asyncio.run(answered(list(f"so: {text}.")))


def texts(value: Any) -> list[str]:
    """Every text in a body."""
    if isinstance(value, dict | list | tuple):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts(each)]
    return [value] if isinstance(value, str) else []


def deceiving(request: Request) -> Speech:
    """A model that hides signs in whatever it writes, the follow-up's line included."""
    is_rewriting = "You turn the last question" in request.prompt
    text = f"How long does the {TRICKY} take?" if is_rewriting else f"{TRICKY} in five days [1]. {TRICKY}"
    return Speech([text[place : place + 5] for place in range(0, len(text), 5)], before=1.0, between=0.01)


async def test_nothing_hidden_goes_over_the_wire_neither_to_discord_nor_to_the_model(tmp_path: Path) -> None:
    name = f"re{''.join(trick for trick in TRICKS if ord(trick))}fund.md"
    async with deployed(tmp_path, deceiving) as bot:
        planted = f"# The {TRICKY} note\n\n## Its {TRICKY} days\n\nA {TRICKY} refund takes five days.\n"
        (bot.settings.data_dir / name).write_text(planted, encoding="utf-8")
        (bot.settings.data_dir / f"{name}.pdf").write_text(TRICKY, encoding="utf-8")
        await ingested(bot.settings)
        world = bot.standin.world
        general, mia = world.channel_named("general").id, world.user_named("Mia").id

        await bot.answered(f"How long does a {TRICKY} take, says the note?")
        first = bot.shown()[-1]
        world.say(general, mia, f"<@{world.bot.id}> and {TRICKY} on weekends?", reply_to=first.id)
        await bot.until(lambda: len(bot.model.chats) >= 3 and bot._is_quiet())
        pressed = [
            button for row in first.now.components for button in row["components"] if button.get("label") == "Sources"
        ]
        world.press(first.id, pressed[0]["custom_id"], mia)
        for command, options in (
            ("docs list", {}),
            ("docs show", {"document": name}),
            ("docs remove", {"document": name}),
            ("reindex", {}),
            ("gaps", {}),
            ("settings set", {"name": "tone", "value": TRICKY}),
            ("docs add", {"collection": TRICKY, "url": f"https://{TRICKY}/{TRICKY}"}),
        ):
            before = len(world.messages)
            world.use_command(general, mia, command, options)
            await bot.until(lambda before=before: len(world.messages) > before)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        typing = world.complete(general, mia, "docs show", {"document": ""}, focused="document")
        offered = await world.suggested(typing)
        await bot.until(lambda: "Done" in json.dumps([message.now.content for message in world.messages.values()]))
        told = [text for request in bot.model.requests for text in texts(request.body)]
    states = [state for m in world.messages.values() if m.author_id == world.bot.id for state in m.states]
    written = [text for state in states for text in texts([state.content, state.components])]
    assert {text for text in written if hidden(text)} == set()
    assert {text for text in told if hidden(text)} == set()
    # Discord is handed a choice's value as it is, and hands it back; it shows the name.
    assert any(choice["value"] == name for choice in offered)
    assert {choice["name"] for choice in offered if hidden(choice["name"])} == set()
    expected = {"Reading The refund", "in five days", "for good?", "Done"}
    assert {words for words in expected if words not in "".join(written)} == set()
