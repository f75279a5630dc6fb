"""The figures of an answer, and how the parts of a message are shown."""

from __future__ import annotations

import pytest

from bot.preview.answer_metrics import AnswerMetrics, measure_answer
from bot.preview.rendering import DiscordMarkdown
from bot.preview.views import Views
from bot.simulator.message_drafts import Draft
from bot.simulator.world import Message, MessageFlag, MessageState, World


def make_page(*states: tuple[float, str]) -> Message:
    """A message whose states came at these times; no text means that the bot was thinking."""
    shown = [MessageState(at, text, flags=MessageFlag(0) if text else MessageFlag.LOADING) for at, text in states]
    return Message(1, 1, 1, shown)


@pytest.fixture
def world() -> World:
    return World.create_default()


@pytest.fixture
def views(world: World) -> Views:
    return Views(world, DiscordMarkdown(), world.find_user("Ada"))


def test_metrics_are_empty_before_an_answer() -> None:
    assert measure_answer([], 0.0, []) == AnswerMetrics()


def test_an_answer_is_measured_from_the_question() -> None:
    answer = make_page(
        (100.1, ""), (100.3, "-# Reading…"), (101.0, "It takes"), (101.5, "It takes 14"), (102.5, "It takes 14 days")
    )
    wire = measure_answer([answer], 100.0, [99.0, 101.2])
    assert (wire.edits, wire.throttled) == (4, 1)
    assert wire.first_sign == pytest.approx(0.1)
    assert wire.first_words == pytest.approx(1.0)
    assert wire.mean_gap == pytest.approx(2.2 / 3)
    assert wire.longest_gap == pytest.approx(1.0)
    assert wire.took == pytest.approx(2.5)


def test_a_status_line_that_is_replaced_is_not_the_first_words() -> None:
    wire = measure_answer([make_page((1.0, "Searching"), (2.0, "It takes"), (3.0, "It takes 14 days"))], 0.0, [])
    assert wire.first_words == pytest.approx(2.0)


def test_small_print_alone_is_no_answer_text() -> None:
    assert measure_answer([make_page((1.0, "-# stopped"))], 0.0, []).first_words is None


def test_pages_of_one_answer_are_measured_together() -> None:
    wire = measure_answer([make_page((1.0, "a"), (2.0, "ab")), make_page((3.0, "c"), (4.5, "cd"))], 0.0, [])
    assert (wire.edits, wire.took, wire.longest_gap) == (2, 4.5, 1.5)


def test_metrics_are_those_of_the_latest_answer(world: World, views: Views) -> None:
    channel = world.find_channel("general").id
    question = world.people.say(channel, world.find_user("Ada").id, "?")
    for content in ("one", "two"):
        world.bot_api.send(channel, Draft(content=content, reference_id=question.id))
    assert views.serialize_metrics([])["edits"] == 0
    first = next(message for message in world.messages.values() if message.current_state.content == "one")
    world.bot_api.edit(channel, first.id, Draft(content="one more"))
    assert views.serialize_metrics([])["edits"] == 1


def test_a_reply_shows_what_it_replies_to(world: World, views: Views) -> None:
    channel = world.find_channel("general").id
    question = world.people.say(channel, world.find_user("Ada").id, "*how*?")
    answer = views.serialize_message(world.bot_api.send(channel, Draft(content="so", reference_id=question.id)))
    assert answer["reply"]["author"]["name"] == "Ada"
    assert "<em>how</em>" in answer["reply"]["html"]


def test_buttons_are_shown_with_style_emoji_and_address(world: World, views: Views) -> None:
    row = {
        "type": 1,
        "components": [
            {"type": 2, "style": 4, "label": "Stop", "custom_id": "stop", "disabled": True},
            {"type": 2, "style": 2, "emoji": {"name": "👍"}, "custom_id": "up"},
            {"type": 2, "style": 5, "label": "Open", "url": "https://example.org"},
            {"type": 2, "style": 5, "label": "Evil", "url": "javascript:alert(1)"},
        ],
    }
    message = world.bot_api.send(world.find_channel("general").id, Draft(content="x", components=(row,)))
    buttons = views.serialize_message(message)["states"][0]["buttons"]
    assert [(b["label"], b["style"], b["url"], b["is_disabled"]) for b in buttons] == [
        ("Stop", "danger", "", True),
        ("👍", "secondary", "", False),
        ("Open", "link", "https://example.org", False),
        ("Evil", "link", "", False),
    ]


def test_an_embeds_texts_are_rendered(world: World, views: Views) -> None:
    embed = {
        "title": "T",
        "description": "**d** <b>",
        "fields": [{"name": "n", "value": "`v`"}],
        "footer": {"text": "f"},
    }
    message = world.bot_api.send(world.find_channel("general").id, Draft(embeds=(embed,)))
    (shown,) = views.serialize_message(message)["states"][0]["embeds"]
    assert shown["html"] == "<p><strong>d</strong> &lt;b&gt;</p>\n"
    assert shown["fields"] == [{"name": "n", "html": "<p><code>v</code></p>\n"}]
    assert (shown["title"], shown["footer"]) == ("T", "f")


def test_each_sub_command_is_offered_by_its_whole_name_with_its_options(world: World, views: Views) -> None:
    state = {"name": "state", "type": 1, "description": "How it stands"}
    add = {"name": "add", "type": 1, "options": [{"name": "file", "type": 11, "required": True}]}
    group = {"name": "library", "type": 1, "options": [state, {"name": "docs", "type": 2, "options": [add]}]}
    menu = {"name": "Answer this", "type": 3}
    choices = [{"name": "All of it", "value": "all"}]
    plain = {"name": "about", "type": 1, "options": [{"name": "what", "type": 3, "choices": choices}]}
    world.bot_api.register_commands(None, [group, menu, plain])
    offers = views.serialize_available_commands()
    assert [command["name"] for command in offers["commands"]] == ["about", "library docs add", "library state"]
    about, add, _ = offers["commands"]
    assert about["options"][0]["choices"] == choices
    assert (add["options"][0]["kind"], add["options"][0]["is_required"]) == ("attachment", True)
    assert offers["menus"] == ["Answer this"]
