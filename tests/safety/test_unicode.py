"""Signs that nobody sees, wherever a text comes from: none is shown to anybody, and none is said to a model."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import GuildSettings
from bot.admin import document_list, feedback_export, gaps, guild_settings_text, reindex_report
from bot.answers.excerpts import format_sources
from bot.answers.session import AnswerSession
from bot.answers.status_lines import format_reading_status
from bot.discord_adapter.history import format_thread_name
from bot.domain import Attachment, DocumentInfo, Question, ResponseStyle, Scope, Source
from bot.knowledge.answering.prompts import build_question_prompt, format_file, format_passage
from bot.records import AnswerStatus, Feedback, Gap
from bot.settings import list_setting_names
from bot.streaming import Stopped
from bot.text.citations import format_footer
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.deployment import deploy, ingest_documents
from tests.fakes.openai_server import Completion
from tests.safety.hidden import INVISIBLE_CHARACTERS, LEGITIMATE_SEQUENCES, find_hidden

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.openai_server import Request

TEXTS = st.lists(
    st.sampled_from([*INVISIBLE_CHARACTERS, *LEGITIMATE_SEQUENCES, *"ab1 |\n*", "refunds"]), max_size=24
).map("".join)
TRICKY_WORD: Final = "".join(f"re{trick}fund" for trick in INVISIBLE_CHARACTERS if trick != "\x00")
"""A word with every kind of them in it, which may stand in a file's text."""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def make_source(text: str) -> Source:
    return Source(1, f"{text}.md", text, text, section=text, url="https://wiki.example/a")


def render_for_people(text: str) -> dict[str, str]:
    """Everything that is made of a text for people to read, by where it stands."""
    document = DocumentInfo(f"{text}.md", text, passages=1, url=f"https://wiki.example/{text}")
    gap = Gap("1", text, 0.0, 1, Scope(), AnswerStatus.NOT_FOUND, comments=(text,))
    other = Gap("2", f"{text}?", 0.0, 1, Scope(), AnswerStatus.NOT_FOUND)
    topics = gaps.cluster_gaps([gap, other], None)
    table = f"| {text.replace(chr(10), ' ')} | b |\n|---|---|\n| {text.replace(chr(10), ' ')} | 2 |"
    view = format_sources([make_source(text), Source(2, "t.md", "Table", table)], f"{text} [1]")
    feedback = Feedback(
        "1", text, AnswerStatus.COMPLETE, is_up=False, comment=text, at=0.0, user_id=1, documents=(text,)
    )
    return {
        "status line and rewritten question": format_reading_status([make_source(text)], text),
        "sources": format_footer("So [1].", [make_source(text)]),
        "passages read": format_footer("So.", [make_source(text)]),
        "sources view": "".join(view.messages),
        "sources view, as a file": format_sources([make_source(text + " x" * 4_000)]).file.decode(),
        "documents": document_list.format_page([document], 0, 0),
        "a document": document_list.format_document(document),
        "added": document_list.format_import_result([text], {text: "damaged"}),
        "failures": reindex_report.format_failures({f"{text}.md": f"{text}"}, lambda _: True),
        "gaps": gaps.format_page(gaps.build_page(topics, 0), 30),
        "gaps, as options": "".join(gaps.format_label(1, topic) for topic in topics),
        "feedback": feedback_export.export_feedback([feedback]).content.decode("utf-8-sig"),
        "a thread": format_thread_name(text),
        "settings": "".join(
            guild_settings_text.format_settings(
                GuildSettings.model_construct({"tone", "language"}, tone=text, language=text),
                Limits(),
                reads_messages=True,
            )
        ),
    }


def render_for_model(text: str) -> dict[str, str]:
    """Everything of documents, files and settings that a model is told, by where it stands."""
    prompt = build_question_prompt(
        "mark",
        today=date(2026, 1, 2),
        style=ResponseStyle(text, text),
        files=[Attachment(text, text)],
        file_delimiter="other",
    )
    messages = prompt.format_messages(context_str="", query_str="")
    return {
        "passage": format_passage(make_source(text)),
        "file": format_file(Attachment(f"{text}.md", text)),
        "rules and files": "".join(str(message.content) for message in messages),
    }


@settings(deadline=None)
@given(TEXTS)
def test_invisible_characters_reach_neither_reader_nor_model(text: str) -> None:
    found = {place: find_hidden(words) for place, words in (render_for_people(text) | render_for_model(text)).items()}
    assert {place: signs for place, signs in found.items() if signs} == {}


def test_file_name_with_a_line_end_adds_no_line_to_the_failures() -> None:
    listed = reindex_report.format_failures({"a\nb.md: all is well\u2028c.md": "damaged"}, lambda _: True)
    assert listed.splitlines() == ["a b.md: all is well c.md: damaged"]


async def stream_answer(pieces: list[str]) -> str:
    """What a model said in these pieces, as it goes on to be shown, kept, copied and attached."""
    telling = AnswerSession(FakeAnswerer(Script(pieces)), Question("Refunds?", answer_id="1"))
    await telling.begin()
    told = "".join([delta async for delta in telling.deltas()])
    assert telling.text == told
    return told + telling.closing(Stopped("".join(pieces))).note


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_answer_has_no_invisible_characters_however_it_is_chunked(pieces: list[str]) -> None:
    assert find_hidden(asyncio.run(stream_answer(pieces))) == set()


@pytest.mark.parametrize("text", LEGITIMATE_SEQUENCES, ids=ascii)
def test_joiners_of_emoji_and_scripts_are_kept_everywhere(text: str) -> None:
    assert {
        place for place, words in (render_for_people(text) | render_for_model(text)).items() if text not in words
    } == set()
    assert text in asyncio.run(stream_answer(list(f"so: {text}.")))


def collect_texts(value: Any) -> list[str]:
    """Every text in a body."""
    if isinstance(value, dict | list | tuple):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in collect_texts(each)]
    return [value] if isinstance(value, str) else []


def respond_deceptively(request: Request) -> Completion:
    """A model that hides signs in whatever it writes, the follow-up's line included."""
    is_rewriting = "You turn the last question" in request.prompt
    text = (
        f"How long does the {TRICKY_WORD} take?" if is_rewriting else f"{TRICKY_WORD} in five days [1]. {TRICKY_WORD}"
    )
    return Completion([text[place : place + 5] for place in range(0, len(text), 5)], first_delay=1.0, delta_delay=0.01)


async def test_no_request_to_discord_or_the_model_has_invisible_characters(tmp_path: Path) -> None:
    name = f"re{''.join(trick for trick in INVISIBLE_CHARACTERS if ord(trick))}fund.md"
    async with deploy(tmp_path, respond_deceptively) as bot:
        planted = f"# The {TRICKY_WORD} note\n\n## Its {TRICKY_WORD} days\n\nA {TRICKY_WORD} refund takes five days.\n"
        (bot.settings.data_dir / name).write_text(planted, encoding="utf-8")
        (bot.settings.data_dir / f"{name}.pdf").write_text(TRICKY_WORD, encoding="utf-8")
        await ingest_documents(bot.settings)
        world = bot.simulator.world
        general, mia = world.find_channel("general").id, world.find_user("Mia").id

        await bot.ask_and_wait(f"How long does a {TRICKY_WORD} take, says the note?")
        first = bot.channel_messages()[-1]
        world.people.say(general, mia, f"<@{world.bot.id}> and {TRICKY_WORD} on weekends?", reply_to=first.id)
        await bot.wait_until(lambda: len(bot.model.chat_requests) >= 3 and bot._is_idle())
        pressed = [
            button
            for row in first.current_state.components
            for button in row["components"]
            if button.get("label") == "Sources"
        ]
        world.people.press(first.id, pressed[0]["custom_id"], mia)
        for command, options in (
            ("docs list", {}),
            ("docs show", {"document": name}),
            ("docs remove", {"document": name}),
            ("reindex", {}),
            ("gaps", {}),
            ("settings set", {"name": "tone", "value": TRICKY_WORD}),
            ("docs add", {"collection": TRICKY_WORD, "url": f"https://{TRICKY_WORD}/{TRICKY_WORD}"}),
        ):
            before = len(world.messages)
            world.people.use_command(general, mia, command, options)
            await bot.wait_until(lambda before=before: len(world.messages) > before)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        typing = world.people.autocomplete(general, mia, "docs show", {"document": ""}, focused="document")
        offered = await world.people.wait_for_choices(typing)
        await bot.wait_until(
            lambda: "Done" in json.dumps([message.current_state.content for message in world.messages.values()])
        )
        told = [text for request in bot.model.requests for text in collect_texts(request.body)]
    states = [state for m in world.messages.values() if m.author_id == world.bot.id for state in m.states]
    written = [text for state in states for text in collect_texts([state.content, state.components])]
    assert {text for text in written if find_hidden(text)} == set()
    assert {text for text in told if find_hidden(text)} == set()
    # Discord is handed a choice's value as it is, and hands it back; it shows the name.
    assert any(choice["value"] == name for choice in offered)
    assert {choice["name"] for choice in offered if find_hidden(choice["name"])} == set()
    expected = {"Reading The refund", "in five days", "for good?", "Done"}
    assert {words for words in expected if words not in "".join(written)} == set()
