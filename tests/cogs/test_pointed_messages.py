"""Messages that a question points at, over the wire: forwards, embeds, files, pictures, polls, stickers, webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.domain import LibraryState
from bot.simulator.message_drafts import Attachment as File
from bot.simulator.world import MessageState, Poll
from tests.fakes.answerer import FakeLibrary
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain import Question
    from bot.simulator.world import Message
    from tests.fakes.running_bot import RunningBot

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
JPEG = b"\xff\xd8\xff" + b"0" * 40
WEBP = b"RIFF\0\0\0\0WEBP" + b"0" * 40
ALERT = {
    "type": "rich",
    "title": "Disk full",
    "description": "on db-2",
    "fields": [{"name": "Free", "value": "0 GB", "inline": True}],
}
PREVIEW = {"type": "link", "title": "A page of somebody else", "url": "https://elsewhere.example"}


def forward_alert(chat: RunningBot) -> Message:
    original = chat.world.people.send_by_webhook(
        chat.world.find_channel("random").id, "Monitor", "Alert!", embeds=[ALERT], files=[File("run.txt", b"Book.")]
    )
    return chat.world.people.forward(chat.general.id, chat.world.find_user("Ben").id, original.id)


def write(chat: RunningBot, text: str = "", **parts: object) -> Message:
    return chat.world.people.say(chat.general.id, chat.world.find_user("Ben").id, text, **parts)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class PointedMessage:
    """How a message is written, and what of it is part of the question."""

    write: Callable[[RunningBot], Message]
    texts: tuple[str, ...]
    files: tuple[str, ...] = ()


POINTED_MESSAGES = {
    "text": PointedMessage(lambda chat: write(chat, "How much leave is there?"), ("How much leave is there?",)),
    "forward": PointedMessage(forward_alert, ("Alert!", "Disk full", "on db-2", "Free: 0 GB"), ("run.txt",)),
    "embed of a webhook": PointedMessage(
        lambda chat: chat.world.people.send_by_webhook(chat.general.id, "Monitor", "", embeds=[ALERT]),
        ("Disk full", "on db-2", "Free: 0 GB"),
    ),
    "text of a webhook": PointedMessage(
        lambda chat: chat.world.people.send_by_webhook(chat.general.id, "Monitor", "Backup failed", embeds=[PREVIEW]),
        ("Backup failed",),
    ),
    "file": PointedMessage(
        lambda chat: write(chat, "See this", files=[File("plan.txt", b"Ship on Friday.")]), ("See this",), ("plan.txt",)
    ),
    "poll": PointedMessage(
        lambda chat: write(chat, poll=Poll("Where do we eat?", ("Canteen", "Harbour"))),
        ("Poll: Where do we eat?", "- Canteen", "- Harbour"),
    ),
    "stickers": PointedMessage(lambda chat: write(chat, stickers=["wave"]), ("Sticker: wave",)),
}


def check_question(question: Question, pointed: PointedMessage) -> None:
    assert all(text in question.text for text in pointed.texts)
    assert "somebody else" not in question.text
    assert tuple(each.name for each in question.attachments) == pointed.files


@pytest.mark.parametrize("kind", POINTED_MESSAGES)
async def test_replied_message_is_part_of_the_question(kind: str) -> None:
    pointed = POINTED_MESSAGES[kind]
    async with running_bot(reads_messages=True) as chat:
        target = pointed.write(chat)
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} What do I do?", to=target))
        (question,) = chat.answerer.questions
    assert question.text.startswith("What do I do?")
    check_question(question, pointed)


@pytest.mark.parametrize("kind", POINTED_MESSAGES)
@pytest.mark.parametrize("reads_messages", [True, False])
async def test_message_chosen_by_its_menu_is_the_question(kind: str, reads_messages: bool) -> None:
    pointed = POINTED_MESSAGES[kind]
    async with running_bot(reads_messages=reads_messages) as chat:
        opened = chat.use_menu("Ada", pointed.write(chat))
        await wait_until(lambda: opened.response_data is not None)
        (label, _) = opened.response_data["components"]  # type: ignore[index]
        text = label["component"]["value"]
        chat.world.people.submit_modal(opened.id, {"question": text, "audience": "private"})
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        check_question(chat.answerer.questions[0], pointed)


async def test_forward_in_a_direct_message_is_the_question() -> None:
    async with running_bot(direct_messages=True) as chat:
        original = chat.say("Ben", "How long do refunds take?")
        direct = chat.open_direct_message("Ada")
        message = chat.world.people.forward(direct.id, chat.world.find_user("Ada").id, original.id)
        await chat.wait_for_answer(message, channel=direct)
        assert chat.answerer.questions[0].text == "How long do refunds take?"


# Pictures


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [("a.png", PNG, "image/png"), ("b.jpg", JPEG, "image/jpeg"), ("c.webp", WEBP, "image/webp")],
)
async def test_pictures_are_sent_to_a_model_that_reads_them(name: str, content: bytes, media_type: str) -> None:
    async with running_bot(reads_messages=True, llm_vision=True, openai_api_key="sk-1") as chat:
        target = write(chat, files=[File(name, content)])
        message = chat.world.people.say(
            chat.general.id,
            chat.world.find_user("Ada").id,
            f"{chat.bot_mention} What is this?",
            reply_to=target.id,
            files=[File("own.png", PNG)],
        )
        await chat.wait_for_answer(message)
        images = chat.answerer.questions[0].images
    assert [(image.name, image.media_type) for image in images] == [("own.png", "image/png"), (name, media_type)]
    assert images[1].content == content


async def test_pictures_are_bounded_in_number_and_bytes_and_must_be_pictures() -> None:
    async with running_bot(llm_vision=True, openai_api_key="sk-1") as chat:
        files = [File("forged.png", b"<script>"), File("large.png", PNG + b"0" * (4 * 2**20))]
        files += [File(f"{number}.png", PNG) for number in range(3)]
        answer = await chat.wait_for_answer(write(chat, f"{chat.bot_mention} What is this?", files=files))
        text = answer.current_state.content
    assert [image.name for image in chat.answerer.questions[0].images] == ["0.png"]
    assert "forged.png was not read: it is not a PNG" in text
    assert "large.png was not read: it is larger than 4 MB." in text
    assert "At most 3 pictures are read with a question; there are 5." in text


async def test_picture_is_named_as_left_out_where_the_model_reads_none() -> None:
    library = FakeLibrary(LibraryState(0, 0, "none"))
    library.unreadable["a.png"] = "a picture"
    async with running_bot(library=library) as chat:
        answer = await chat.wait_for_answer(
            write(chat, f"{chat.bot_mention} What is this?", files=[File("a.png", PNG)])
        )
    assert chat.answerer.questions[0].images == ()
    assert answer.current_state.content == "You asked: What is this?\n\n-# a.png was not read: a picture."


# Proxies such as PluralKit


@pytest.mark.parametrize("comes_first", ["repost", "deletion"])
@pytest.mark.parametrize("is_allowed", [True, False])
async def test_question_that_a_proxy_posts_again_is_one_question_whose_answer_stays(
    comes_first: str, is_allowed: bool
) -> None:
    async with running_bot(allowed_bots="Sky" if is_allowed else "") as chat:
        text = f"{chat.bot_mention} How long do refunds take?"
        message = chat.say("Ada", f"S: {text}")
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        if comes_first == "deletion":
            chat.world.delete(message.id)
        repost = chat.world.people.send_by_webhook(chat.general.id, "Sky", text)
        if comes_first == "repost":
            chat.world.delete(message.id)
        await chat.wait_until_idle()
        await wait_until(lambda: bool(chat.bot_messages()))
        (answer,) = chat.bot_messages()
        await wait_until(lambda: "refunds take?" in answer.current_state.content)
        assert answer.deleted_at is None
        assert len(chat.answerer.questions) == 1
        chat.world.delete(repost.id)
        await wait_until(lambda: answer.deleted_at is not None)


async def test_edited_repost_is_answered_again_for_the_person_who_asked() -> None:
    async with running_bot(reads_messages=True) as chat:
        message = chat.say("Ada", f"{chat.bot_mention} Refunds?")
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        repost = chat.world.people.send_by_webhook(chat.general.id, "Sky", f"{chat.bot_mention} Refunds?")
        chat.world.delete(message.id)
        await chat.wait_until_idle()
        (answer,) = chat.bot_messages()
        chat.edit_message(repost, f"{chat.bot_mention} Vouchers?")
        await wait_until(lambda: answer.current_state.content == "You asked: Vouchers?")
        await chat.wait_until_idle()
        assert {question.asker_id for question in chat.answerer.questions} == {chat.world.find_user("Ada").id}
        assert len(chat.bot_messages()) == 1


@pytest.mark.parametrize("other_text", ["something else entirely", ""])
async def test_deleted_question_without_a_repost_takes_its_answer_with_it(other_text: str) -> None:
    async with running_bot(reads_messages=True) as chat:
        message = chat.say("Ada", f"{chat.bot_mention} Refunds?")
        answer = await chat.wait_for_answer(message)
        if other_text:
            chat.world.people.send_by_webhook(chat.general.id, "Sky", other_text)
        chat.world.delete(message.id)
        await wait_until(lambda: answer.deleted_at is not None)


async def test_bot_is_allowed_by_its_application_id() -> None:
    async with running_bot() as probe:
        friend = probe.world.add_user("Friend", is_bot=True)
    async with running_bot(world=probe.world, allowed_bots=str(friend.id)) as chat:
        await chat.wait_for_answer(chat.say("Friend", f"{chat.bot_mention} answered?"))
    assert isinstance(chat.world.messages[max(chat.world.messages)].current_state, MessageState)
    assert [question.text for question in chat.answerer.questions] == ["answered?"]
