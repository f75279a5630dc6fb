"""Nothing leaks: who asks, where, of which collection and by which way in, all of it in one go, over the wire.

Each collection holds a word that stands nowhere else. Whoever may see the collection is told it; it stands in no
message, form or choice of anybody else's, and in no request to a model that is made for them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from bot.admin import gaps
from bot.discord_adapter.answer_buttons import ButtonAction, format_custom_id
from bot.settings import list_setting_names
from bot.simulator.rate_limits import Limits, RateLimitCounters
from bot.simulator.world import Channel, ChannelKind, InteractionKind
from cogs.answer_buttons import ALREADY_REGENERATING
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from pathlib import Path

    from bot.simulator.world import Interaction, Message, World
    from tests.fakes.deployment import Deployment
    from tests.fakes.openai_server import Completion, Request

COLLECTION_WORDS: Final = {
    "shared": "marzipan",  # for everybody
    "team": "tamarind",  # for the members of Harbour
    "pay": "paprika",  # for those of them who have the role People team
    "lobby": "liquorice",  # for those of them who ask in #lobby
    "lea": "lavender",  # for Lea
    "other": "oregano",  # for the members of Elsewhere
    "shut": "saffron",  # for nobody
}

EXPECTED_ACCESS: Final = """
| where       | who | what all who read there may see | what they may see alone    |
| general     | Ada | shared team                     | shared team pay            |
| general     | Ben | shared team                     | shared team                |
| general     | Lea | shared team                     | shared team pay lea        |
| general     | Mia | shared team                     | shared team                |
| people-team | Ada | shared team pay                 | shared team pay            |
| people-team | Lea | shared team pay                 | shared team pay lea        |
| thread      | Ada | shared team pay                 | shared team pay            |
| thread      | Lea | shared team pay                 | shared team pay lea        |
| lobby       | Ada | shared team lobby               | shared team lobby pay      |
| lobby       | Ben | shared team lobby               | shared team lobby          |
| lobby       | Lea | shared team lobby               | shared team lobby pay lea  |
| lobby       | Mia | shared team lobby               | shared team lobby          |
| elsewhere   | Ben | shared other                    | shared other               |
| elsewhere   | Lea | shared other                    | shared other lea           |
| elsewhere   | Zoe | shared other                    | shared other               |
| direct      | Ada | shared team pay                 | shared team pay            |
| direct      | Ben | shared team other               | shared team other          |
| direct      | Lea | shared team pay lea other       | shared team pay lea other  |
| direct      | Mia | shared team                     | shared team                |
| direct      | Zoe | shared other                    | shared other               |
"""
"""#people-team and its thread are for Ada and Lea, who have that role. Lea and Mia look after Harbour, Zoe after
Elsewhere."""

EXPECTED_ACCESS_ONCE_OPENED: Final = """
| where       | who | what all who read there may see | what they may see alone    |
| people-team | Ada | shared team                     | shared team pay            |
| people-team | Ben | shared team                     | shared team                |
| people-team | Lea | shared team                     | shared team pay lea        |
| people-team | Mia | shared team                     | shared team                |
"""
"""The same once #people-team was opened to everybody."""

MANAGED_COLLECTIONS: Final = {"Lea": "team pay lobby", "Mia": "team pay lobby", "Zoe": "other"}
"""What admins see the documents' names of besides: all that is their server's alone."""

VOTED_DOWN: Final = [
    ("general", "Ben", "shared"),
    ("general", "Ben", "team"),
    ("general", "Ada", "pay"),
    ("lobby", "Ben", "lobby"),
    ("general", "Lea", "lea"),
    ("elsewhere", "Zoe", "other"),
]
"""Who finds where that an answer from which collection lacks something: what the admins are told of afterwards."""

HARBOUR_CHANNELS: Final = ("general", "people-team", "thread", "lobby")

Collections = frozenset[str]
"""Names of collections; "shared" are the documents in none."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person in one place: what all who read there may see, and what that person may see alone."""

    place: str
    user_name: str
    visible_to_all: Collections
    visible_alone: Collections


def parse_rows(table: str) -> list[Row]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[1:]]
    return [
        Row(where, who, parse_collections(together), parse_collections(alone)) for where, who, together, alone in lines
    ]


def parse_collections(names: str) -> Collections:
    return frozenset(names.split())


def find_collections(text: str) -> Collections:
    """The collections whose word stands in a text."""
    return frozenset(name for name, word in COLLECTION_WORDS.items() if word in text.lower())


def echo_passages(request: Request) -> Completion:
    """A model that says whatever it was given, and of which table."""
    found = sorted(find_collections(request.prompt))
    marks = "".join(f"[{number}]" for number, _ in enumerate(found, start=1))
    return make_completion(
        f"The supper at table {_parse_table_number(request.prompt)} is "
        f"{' '.join(COLLECTION_WORDS[name] for name in found)} {marks}."
    )


def _parse_table_number(text: str) -> int:
    """The number of the question that a text asks: the last, what was said before has lower ones."""
    return max((int(number) for number in re.findall(r"table (\d+)", text)), default=0)


@dataclass(slots=True)
class AccessMatrix:
    """Everybody and everything; ``actual`` is what was found in the table's cells, ``expected`` what is to be."""

    bot: Deployment
    channels: dict[str, Channel]
    table: list[Row] = field(default_factory=lambda: parse_rows(EXPECTED_ACCESS))
    actual: dict[tuple[str, ...], Collections] = field(default_factory=dict)
    expected: dict[tuple[str, ...], Collections] = field(default_factory=dict)
    allowed_by_number: dict[int, Collections] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _checked: set[tuple[int, ...]] = field(default_factory=set)
    _checked_requests: int = 0

    @property
    def world(self) -> World:
        return self.bot.simulator.world

    def channel_of(self, row: Row) -> Channel:
        return self.world.bot_api.create_dm(self.user_id_of(row)) if row.place == "direct" else self.channels[row.place]

    def user_id_of(self, row: Row) -> int:
        return self.world.find_user(row.user_name).id

    def make_question(self, allowed: Collections, text: str = "What is for supper on Friday") -> str:
        number = next(self._numbers)
        self.allowed_by_number[number] = allowed
        return f"{text}, at table {number}?"

    # Ways in

    async def ask(self, row: Row, way: str, expected: Collections, **options: Any) -> Message:
        """By command; the answer's message."""
        question = self.make_question(expected, options.pop("words", "What is for supper on Friday"))
        used = self.world.people.use_command(
            self.channel_of(row).id, self.user_id_of(row), "ask", {"question": question, **options}
        )
        return await self.wait_for_answer(row, way, expected, lambda m: m.interaction_id == used.id)

    async def send_message(self, row: Row, way: str, expected: Collections, *, to: Message | None = None) -> Message:
        """By message, or in reply to an answer; the answer's message."""
        question = self.make_question(expected, "And what goes with that" if to else "What is for supper on Friday")
        said = self.world.people.say(
            self.channel_of(row).id,
            self.user_id_of(row),
            f"<@{self.world.bot.id}> {question}",
            reply_to=to.id if to else None,
        )
        return await self.wait_for_answer(row, way, expected, lambda m: m.reference_id == said.id)

    async def use_menu(self, row: Row, way: str, expected: Collections, audience: str) -> None:
        """From a message's menu."""
        message = self.world.people.say(self.channel_of(row).id, self.user_id_of(row), self.make_question(expected))
        shown = self.world.people.use_context_menu(self.user_id_of(row), "Ask the docs about this", message.id)
        await self.bot.wait_until(lambda: shown.response is not None)
        sent = self.world.people.submit_modal(
            shown.id, {"question": message.current_state.content, "audience": audience}
        )
        await self.wait_for_answer(row, way, expected, lambda m: m.interaction_id == sent.id)

    async def press_button(self, row: Row, way: str, expected: Collections, action: ButtonAction, on: Message) -> None:
        """By a button that hands something out, whether it is shown to them or not."""
        self.record_result(row, way, expected, await self.wait_for_response(self.click(row, action, on)))

    async def regenerate(self, row: Row, way: str, expected: Collections, on: Message) -> None:
        """By the button that asks anew, pressed until whoever pressed it before has their answer."""
        self.check_requests(self.allowed_by_number.__getitem__)  # from here on, they are made for another person
        self.allowed_by_number[_parse_table_number(message_text(on))] = expected
        click = self.click(row, ButtonAction.REGENERATE, on)
        while ALREADY_REGENERATING in await self.wait_for_response(click):
            click = self.click(row, ButtonAction.REGENERATE, on)
        await self.wait_for_answer(row, way, expected, lambda m: m.interaction_id == click.id)

    def click(self, row: Row, action: ButtonAction, on: Message) -> Interaction:
        data = {"custom_id": format_custom_id(action, find_answer_ids(on)[0]), "component_type": 2}
        return self.world.people.create_interaction(
            InteractionKind.COMPONENT, on.channel_id, self.user_id_of(row), data, message_id=on.id
        )

    async def autocomplete(self, row: Row, command: str, option: str) -> Collections:
        """An option of a command, and sees what is suggested; collections, or those of the documents."""
        typing = self.world.people.autocomplete(
            self.channel_of(row).id, self.user_id_of(row), command, {}, focused=option
        )
        values = [str(choice["value"]) for choice in await self.world.people.wait_for_choices(typing)]
        return frozenset(value.split("/")[0].lstrip("@") if value.startswith("@") else "shared" for value in values)

    async def read_admin_command(self, row: Row, command: str) -> str:
        """Everything that an admin's command shows them, all its pages and files."""
        used = self.world.people.use_command(self.channel_of(row).id, self.user_id_of(row), command)
        text = await self.wait_for_response(used)
        message = next((m for m in self.world.messages.values() if m.interaction_id == used.id), None)
        for number in range(1, 9):
            name = gaps.format_custom_id(gaps.ButtonAction.PAGE, 30, number)
            if message is None or name not in json.dumps(message.current_state.components):
                break
            before = len(message.states)
            self.world.people.press(message.id, name, self.user_id_of(row))
            await self.bot.wait_until(lambda shown=message, count=before: len(shown.states) > count)  # type: ignore[misc]
            text += message_text(message)
        return text

    # What comes of it

    async def wait_for_answer(
        self, row: Row, way: str, expected: Collections, is_meant: Callable[[Message], bool]
    ) -> Message:
        """The answer, once it has come to its end; what it tells is noted."""

        def find_answers() -> list[Message]:
            meant = [message for message in self.world.messages.values() if is_meant(message)]
            return [
                message
                for message in meant
                if find_answer_ids(message) or "no collection of that name" in message_text(message)
            ]

        try:
            await self.bot.wait_until(lambda: bool(find_answers()))
        except TimeoutError:
            said = [message.current_state.content for message in self.world.messages.values() if is_meant(message)]
            pytest.fail(f"{row.user_name} in #{row.place} by {way}: no answer, but {said}")
        self.record_result(row, way, expected, message_text(find_answers()[0]))
        return find_answers()[0]

    async def wait_for_response(self, click: Interaction) -> str:
        """What a click or command was answered with, once nothing more comes."""

        def find_responses() -> list[Message]:
            return [message for message in self.world.messages.values() if message.interaction_id == click.id]

        await self.bot.wait_until(lambda: any(message.current_state.content for message in find_responses()))
        await asyncio.sleep(0.15)
        return "\n".join(message_text(message) for message in find_responses())

    def record_result(self, row: Row, way: str, expected: Collections, text: str) -> None:
        self.actual[row.place, row.user_name, way] = find_collections(text)
        self.expected[row.place, row.user_name, way] = expected

    def check_for_leaks(self) -> None:
        """See that whoever sees what was shown since the last look may see it, and so of what was sent to the model."""
        of = {(self.channel_of(row).id, self.user_id_of(row)): row for row in self.table}
        for message in self.world.messages.values():
            readers = [row for (place, _), row in of.items() if place == message.channel_id]
            told_to = (
                readers
                if message.visible_to_user_id is None
                else [of.get((message.channel_id, message.visible_to_user_id))]
            )
            states = message.states if message.author_id == self.world.bot.id else []
            for number, state in enumerate(states):
                if self._is_new(message.id, number):
                    self._record_leaks(f"message {number}", state_text(state), told_to)
        for used in self.world.interactions.values():
            if self._is_new(used.id):
                row = of[used.channel_id, used.user_id]
                self._record_leaks(f"what {used.name} gave", json.dumps(used.response_data or {}), [row])
        self.check_requests(self.allowed_by_number.__getitem__)

    def check_requests(self, allowed: Callable[[int], Collections]) -> None:
        """See that the model was sent nothing since the last look that is not for whoever asked."""
        requests = self.bot.model.requests[self._checked_requests :]
        self._checked_requests += len(requests)
        for request in requests:
            text = json.dumps(dict(request.body))
            if too_much := find_collections(text) - allowed(_parse_table_number(text)):
                self.leaks.append(f"the model is sent {sorted(too_much)} for table {_parse_table_number(text)}")

    def _is_new(self, *what: int) -> bool:
        is_new = what not in self._checked
        self._checked.add(what)
        return is_new

    def _record_leaks(self, subject: str, text: str, readers: Iterable[Row | None]) -> None:
        for row in readers:
            if too_much := find_collections(text) - (row.visible_alone if row else frozenset()):
                self.leaks.append(
                    f"{row and row.user_name} sees {sorted(too_much)} in {subject} in #{row and row.place}"
                )

    def find_visible_channels(self) -> set[tuple[str, str]]:
        """Who sees which place, but for who sees everything."""
        world = self.world
        people = [user for user in world.users.values() if user.id not in {world.bot.id, world.owner.id}]
        return {
            (where, user.name)
            for where, place in self.channels.items()
            for user in people
            if world.can_see(user.id, place.id)
        }


def find_answer_ids(message: Message) -> list[str]:
    """The key of the answer whose buttons a message shows, now that it has come to its end."""
    return re.findall(r"answer:copy:(\d+)", json.dumps(message.current_state.components))


def message_text(message: Message) -> str:
    return state_text(message.current_state)


def state_text(state: Any) -> str:
    files = [file.content.decode("utf-8", "replace") for file in state.attachments]
    return "\n".join([state.content, json.dumps([state.embeds, state.components]), *files])


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def with_collections(folder: Path) -> Path:
    """A document in each collection, with its word."""
    for name, word in COLLECTION_WORDS.items():
        place = folder if name == "shared" else folder / f"@{name}"
        place.mkdir(parents=True, exist_ok=True)
        text = f"# Supper\n\nFor supper on Friday there is {word}, at every table. With it goes more {word}.\n"
        (place / "supper.md").write_text(text, encoding="utf-8")
    return folder


async def run_few_at_once(coroutines: Iterable[Awaitable[None]]) -> None:
    """All of them, some at a time: whoever uses a command is answered within three seconds on a busy machine too."""
    room = asyncio.Semaphore(8)

    async def do(coroutine: Awaitable[None]) -> None:
        async with room:
            await coroutine

    await asyncio.gather(*map(do, coroutines))


@asynccontextmanager
async def access_matrix(folder: Path) -> AsyncGenerator[AccessMatrix]:
    documents = with_collections(folder / "collections")
    async with deploy(
        folder,
        echo_passages,
        data_dir=str(documents),
        direct_messages="true",
        edit_interval="0.2",
        concurrent_answers="50",
        crowded_channel="200",
    ) as bot:
        bot.simulator.counters = RateLimitCounters(Limits().scale(20))
        world = bot.simulator.world
        general, people_team = world.find_channel("general"), world.find_channel("people-team")
        harbour = world.guilds[general.guild_id or 0]
        team, admins = (
            role for name in ("People team", "Admins") for role in harbour.roles.values() if role.name == name
        )
        ada, ben, lea = (world.find_user(name).id for name in ("Ada", "Ben", "Lea"))
        world.admin.assign_role(harbour.id, ada, team.id)
        world.admin.assign_role(harbour.id, lea, admins.id)
        lobby = world.admin.add_channel(harbour.id, "lobby")
        thread = world.insert_channel(
            Channel(world.generate_id(), "a thread", harbour.id, ChannelKind.THREAD, people_team.id)
        )
        other = world.admin.add_guild("Elsewhere")
        elsewhere = world.admin.add_channel(other.id, "elsewhere")
        for who in (ben, lea):
            world.admin.add_member(other.id, who)
        world.admin.add_member(other.id, world.add_user("Zoe").id, admins.permissions)
        for name, rule in {
            "team": f"guilds = [{harbour.id}]",
            "pay": f"guilds = [{harbour.id}]\nroles = [{team.id}]",
            "lobby": f"guilds = [{harbour.id}]\nchannels = [{lobby.id}]",
            "lea": f"users = [{lea}]",
            "other": f"guilds = [{other.id}]",
        }.items():
            (documents / f"@{name}.toml").write_text(rule, encoding="utf-8")
        await bot.wait_until(lambda: bool(world.commands.get(other.id)))
        places = {"general": general, "people-team": people_team, "thread": thread, "lobby": lobby}
        here = AccessMatrix(bot, {**places, "elsewhere": elsewhere})
        here._checked_requests = len(bot.model.requests)
        yield here


async def ask_every_way(matrix: AccessMatrix, row: Row, answers: dict[tuple[Row, str], Message]) -> None:
    """All ways in by which one person may ask in one place."""
    first = await matrix.send_message(row, "mention", row.visible_to_all)
    await matrix.send_message(row, "follow-up", row.visible_to_all, to=first)
    if row.place == "direct":
        return
    answers[row, "together"] = await matrix.ask(row, "ask", row.visible_to_all)
    # In a thread a question in private builds on what was said there, and sees no more than that.
    alone = row.visible_to_all if row.place == "thread" else row.visible_alone
    answers[row, "alone"] = await matrix.ask(row, "ask private", alone, private=True)
    await matrix.use_menu(row, "menu", row.visible_to_all, "public")
    await matrix.use_menu(row, "menu private", alone, "private")
    if row.place != "thread":
        for name in list(COLLECTION_WORDS)[2:]:
            await matrix.ask(row, f"ask @{name}", row.visible_alone & {name}, collection=f"@{name}")


async def autocomplete_everything(matrix: AccessMatrix, row: Row) -> None:
    """What is suggested to one person in one place."""
    after = parse_collections(MANAGED_COLLECTIONS.get(row.user_name, "")) if is_admin(row) else frozenset[str]()
    for command, option, wanted in (
        ("ask", "collection", row.visible_alone),
        ("docs list", "collection", after),
        ("docs add", "collection", after),
        ("reindex", "collection", after),
        ("docs show", "document", row.visible_alone | after if is_admin(row) else after),
        ("docs remove", "document", row.visible_alone | after if is_admin(row) else after),
    ):
        way = f"{command} {option}…"
        matrix.expected[row.place, row.user_name, way] = wanted
        matrix.actual[row.place, row.user_name, way] = await matrix.autocomplete(row, command, option)


async def press_every_button(
    matrix: AccessMatrix, asker: str, message: Message, others: list[Row], *, scope: Collections, contained: Collections
) -> None:
    """Each of those there at an answer of somebody's, whether it is shown to them or not."""
    of = f"{asker}’s {'private ' if message.visible_to_user_id else ''}answer"
    for other in others:
        if (
            message.visible_to_user_id and other.user_name != asker
        ):  # Discord shows it to the asker alone: only who forges can click
            for action in (ButtonAction.SOURCES, ButtonAction.COPY, ButtonAction.REGENERATE):
                await matrix.press_button(other, f"{action.name} of {of}", frozenset(), action, message)
            continue
        may_see = contained if scope <= other.visible_alone else frozenset[str]()
        await matrix.press_button(other, f"Sources of {of}", may_see, ButtonAction.SOURCES, message)
        await matrix.press_button(other, f"Copy of {of}", may_see, ButtonAction.COPY, message)
        if is_admin(other) and other.user_name != asker:
            await matrix.regenerate(other, f"Regenerate {of}", other.visible_to_all & scope, message)


async def vote_down(matrix: AccessMatrix, row: Row, name: str) -> None:
    """Ask one collection, and say that the answer lacks something."""
    word, given = COLLECTION_WORDS[name], "shared" if name == "shared" else f"@{name}"
    words = f"Is {word}, {word}, {word} or {word} there"
    message = await matrix.ask(row, f"unhappy with @{name}", parse_collections(name), collection=given, words=words)
    pressed = matrix.world.people.press(
        message.id, format_custom_id(ButtonAction.THUMBS_DOWN, *find_answer_ids(message)), matrix.user_id_of(row)
    )
    await matrix.bot.wait_until(lambda: pressed.acknowledged_at is not None)


async def check_admin_views(matrix: AccessMatrix, row: Row) -> None:
    """What people missed, as far as it is this person's to know."""
    ours = HARBOUR_CHANNELS if row.place in HARBOUR_CHANNELS else ("elsewhere",)
    missed = {name for where, _, name in VOTED_DOWN if where in ours}
    wanted = row.visible_alone & missed if is_admin(row) else frozenset[str]()
    for command in ("gaps", "feedback export"):
        matrix.record_result(row, command, wanted, await matrix.read_admin_command(row, command))
    matrix.check_requests(lambda _: row.visible_alone)


def is_admin(row: Row) -> bool:
    return (row.user_name, row.place in HARBOUR_CHANNELS) in {("Lea", True), ("Mia", True), ("Zoe", False)}


async def check_once_opened(matrix: AccessMatrix, answer: Message) -> None:
    """What was said among few stays theirs, though others may read there from now on."""
    matrix.table = parse_rows(EXPECTED_ACCESS_ONCE_OPENED)
    room = matrix.channels["people-team"]
    matrix.world.admin.set_overwrite(room.id, room.guild_id or 0)
    await asyncio.sleep(0.3)
    scope = parse_collections("shared team pay")
    await press_every_button(matrix, "Ada", answer, matrix.table, scope=scope, contained=scope)
    await asyncio.gather(
        *(matrix.send_message(row, "follow-up once opened", row.visible_to_all, to=answer) for row in matrix.table)
    )


@pytest.mark.no_cover  # hundreds of questions repeat what the tests of each command reach
async def test_every_entry_point_respects_collection_access(tmp_path: Path) -> None:
    async with access_matrix(tmp_path) as here:
        in_channels = [row for row in here.table if row.place != "direct"]
        assert here.find_visible_channels() == {(row.place, row.user_name) for row in in_channels}, (
            "the table names all who read along"
        )
        answers: dict[tuple[Row, str], Message] = {}
        await run_few_at_once(ask_every_way(here, row, answers) for row in here.table)
        await run_few_at_once(autocomplete_everything(here, row) for row in in_channels)
        here.check_for_leaks()
        pressing = [
            press_every_button(
                here,
                row.user_name,
                message,
                [other for other in in_channels if other.place == row.place],
                scope=row.visible_to_all if audience == "together" else row.visible_alone,
                contained=row.visible_alone if audience == "alone" and row.place != "thread" else row.visible_to_all,
            )
            for (row, audience), message in answers.items()
        ]
        await run_few_at_once(pressing)
        here.check_for_leaks()
        by_name = {(row.place, row.user_name): row for row in in_channels}
        await asyncio.gather(*(vote_down(here, by_name[where, who], name) for where, who, name in VOTED_DOWN))
        here.check_for_leaks()
        await asyncio.gather(*(check_admin_views(here, row) for row in in_channels if not is_admin(row)))
        # What is embedded for one is known for the next: whoever may see least goes first.
        for row in sorted(filter(is_admin, in_channels), key=lambda row: len(row.visible_alone)):
            await check_admin_views(here, row)
        here.check_for_leaks()
        await check_once_opened(here, answers[by_name["people-team", "Ada"], "together"])
        here.check_for_leaks()
    assert here.actual == here.expected
    assert here.leaks == []
    assert len(here.actual) > 500
