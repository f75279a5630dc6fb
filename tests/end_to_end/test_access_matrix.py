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
from bot.discord_adapter.answer_buttons import Deed, custom_id
from bot.settings import setting_names
from bot.simulator.rate_limits import Counters, Limits
from bot.simulator.world import Channel, ChannelKind, InteractionKind
from cogs.answer_buttons import AGAIN_ALREADY
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from pathlib import Path

    from bot.simulator.world import Interaction, Message, World
    from tests.fakes.deployment import Deployment
    from tests.fakes.openai_server import Request, Speech

WORDS: Final = {
    "shared": "marzipan",  # for everybody
    "team": "tamarind",  # for the members of Harbour
    "pay": "paprika",  # for those of them who have the role People team
    "lobby": "liquorice",  # for those of them who ask in #lobby
    "lea": "lavender",  # for Lea
    "other": "oregano",  # for the members of Elsewhere
    "shut": "saffron",  # for nobody
}

TABLE: Final = """
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

OPENED: Final = """
| where       | who | what all who read there may see | what they may see alone    |
| people-team | Ada | shared team                     | shared team pay            |
| people-team | Ben | shared team                     | shared team                |
| people-team | Lea | shared team                     | shared team pay lea        |
| people-team | Mia | shared team                     | shared team                |
"""
"""The same once #people-team was opened to everybody."""

LOOKED_AFTER: Final = {"Lea": "team pay lobby", "Mia": "team pay lobby", "Zoe": "other"}
"""What admins see the documents' names of besides: all that is their server's alone."""

UNHAPPY: Final = [
    ("general", "Ben", "shared"),
    ("general", "Ben", "team"),
    ("general", "Ada", "pay"),
    ("lobby", "Ben", "lobby"),
    ("general", "Lea", "lea"),
    ("elsewhere", "Zoe", "other"),
]
"""Who finds where that an answer from which collection lacks something: what the admins are told of afterwards."""

HARBOUR: Final = ("general", "people-team", "thread", "lobby")

Seen = frozenset[str]
"""Names of collections; "shared" are the documents in none."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person in one place: what all who read there may see, and what that person may see alone."""

    where: str
    who: str
    together: Seen
    alone: Seen


def rows(table: str) -> list[Row]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[1:]]
    return [Row(where, who, seen(together), seen(alone)) for where, who, together, alone in lines]


def seen(names: str) -> Seen:
    return frozenset(names.split())


def told(text: str) -> Seen:
    """The collections whose word stands in a text."""
    return frozenset(name for name, word in WORDS.items() if word in text.lower())


def answering(request: Request) -> Speech:
    """A model that says whatever it was given, and of which table."""
    found = sorted(told(request.prompt))
    marks = "".join(f"[{number}]" for number, _ in enumerate(found, start=1))
    return spoken(f"The supper at table {_table(request.prompt)} is {' '.join(WORDS[name] for name in found)} {marks}.")


def _table(text: str) -> int:
    """The number of the question that a text asks: the last, what was said before has lower ones."""
    return max((int(number) for number in re.findall(r"table (\d+)", text)), default=0)


@dataclass(slots=True)
class Town:
    """Everybody and everything; ``cells`` is what was found in the table's cells, ``wanted`` what is to be."""

    bot: Deployment
    places: dict[str, Channel]
    table: list[Row] = field(default_factory=lambda: rows(TABLE))
    cells: dict[tuple[str, ...], Seen] = field(default_factory=dict)
    wanted: dict[tuple[str, ...], Seen] = field(default_factory=dict)
    may_be_sent: dict[int, Seen] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _looked_at: set[tuple[int, ...]] = field(default_factory=set)
    _sent: int = 0

    @property
    def world(self) -> World:
        return self.bot.standin.world

    def place(self, row: Row) -> Channel:
        return self.world.open_direct(self.id(row)) if row.where == "direct" else self.places[row.where]

    def id(self, row: Row) -> int:
        return self.world.user_named(row.who).id

    def question(self, may_be_sent: Seen, words: str = "What is for supper on Friday") -> str:
        number = next(self._numbers)
        self.may_be_sent[number] = may_be_sent
        return f"{words}, at table {number}?"

    # Ways in

    async def asks(self, row: Row, way: str, wanted: Seen, **options: Any) -> Message:
        """By command; the answer's message."""
        question = self.question(wanted, options.pop("words", "What is for supper on Friday"))
        used = self.world.use_command(self.place(row).id, self.id(row), "ask", {"question": question, **options})
        return await self.answered(row, way, wanted, lambda m: m.interaction_id == used.id)

    async def says(self, row: Row, way: str, wanted: Seen, *, to: Message | None = None) -> Message:
        """By message, or in reply to an answer; the answer's message."""
        question = self.question(wanted, "And what goes with that" if to else "What is for supper on Friday")
        said = self.world.say(
            self.place(row).id, self.id(row), f"<@{self.world.bot.id}> {question}", reply_to=to.id if to else None
        )
        return await self.answered(row, way, wanted, lambda m: m.reference == said.id)

    async def picks(self, row: Row, way: str, wanted: Seen, audience: str) -> None:
        """From a message's menu."""
        message = self.world.say(self.place(row).id, self.id(row), self.question(wanted))
        shown = self.world.use_menu(self.id(row), "Ask the docs about this", message.id)
        await self.bot.until(lambda: shown.response is not None)
        sent = self.world.submit(shown.id, {"question": message.now.content, "audience": audience})
        await self.answered(row, way, wanted, lambda m: m.interaction_id == sent.id)

    async def presses(self, row: Row, way: str, wanted: Seen, deed: Deed, on: Message) -> None:
        """By a button that hands something out, whether it is shown to them or not."""
        self.note(row, way, wanted, await self.said_after(self.clicks(row, deed, on)))

    async def asks_again(self, row: Row, way: str, wanted: Seen, on: Message) -> None:
        """By the button that asks anew, pressed until whoever pressed it before has their answer."""
        self.look_at_requests(self.may_be_sent.__getitem__)  # from here on, they are made for another person
        self.may_be_sent[_table(shown_in(on))] = wanted
        click = self.clicks(row, Deed.AGAIN, on)
        while AGAIN_ALREADY in await self.said_after(click):
            click = self.clicks(row, Deed.AGAIN, on)
        await self.answered(row, way, wanted, lambda m: m.interaction_id == click.id)

    def clicks(self, row: Row, deed: Deed, on: Message) -> Interaction:
        data = {"custom_id": custom_id(deed, keys(on)[0]), "component_type": 2}
        return self.world._interact(InteractionKind.COMPONENT, on.channel_id, self.id(row), data, message_id=on.id)

    async def types(self, row: Row, command: str, option: str) -> Seen:
        """An option of a command, and sees what is suggested; collections, or those of the documents."""
        typing = self.world.complete(self.place(row).id, self.id(row), command, {}, focused=option)
        values = [str(choice["value"]) for choice in await self.world.suggested(typing)]
        return frozenset(value.split("/")[0].lstrip("@") if value.startswith("@") else "shared" for value in values)

    async def looks(self, row: Row, command: str) -> str:
        """Everything that an admin's command shows them, all its pages and files."""
        used = self.world.use_command(self.place(row).id, self.id(row), command)
        text = await self.said_after(used)
        message = next((m for m in self.world.messages.values() if m.interaction_id == used.id), None)
        for number in range(1, 9):
            name = gaps.custom_id(gaps.Deed.PAGE, 30, number)
            if message is None or name not in json.dumps(message.now.components):
                break
            before = len(message.states)
            self.world.press(message.id, name, self.id(row))
            await self.bot.until(lambda shown=message, count=before: len(shown.states) > count)  # type: ignore[misc]
            text += shown_in(message)
        return text

    # What comes of it

    async def answered(self, row: Row, way: str, wanted: Seen, is_meant: Callable[[Message], bool]) -> Message:
        """The answer, once it has come to its end; what it tells is noted."""

        def found() -> list[Message]:
            meant = [message for message in self.world.messages.values() if is_meant(message)]
            return [message for message in meant if keys(message) or "no collection of that name" in shown_in(message)]

        try:
            await self.bot.until(lambda: bool(found()))
        except TimeoutError:
            said = [message.now.content for message in self.world.messages.values() if is_meant(message)]
            pytest.fail(f"{row.who} in #{row.where} by {way}: no answer, but {said}")
        self.note(row, way, wanted, shown_in(found()[0]))
        return found()[0]

    async def said_after(self, click: Interaction) -> str:
        """What a click or command was answered with, once nothing more comes."""

        def answers() -> list[Message]:
            return [message for message in self.world.messages.values() if message.interaction_id == click.id]

        await self.bot.until(lambda: any(message.now.content for message in answers()))
        await asyncio.sleep(0.15)
        return "\n".join(shown_in(message) for message in answers())

    def note(self, row: Row, way: str, wanted: Seen, text: str) -> None:
        self.cells[row.where, row.who, way] = told(text)
        self.wanted[row.where, row.who, way] = wanted

    def look_for_leaks(self) -> None:
        """See that whoever sees what was shown since the last look may see it, and so of what was sent to the model."""
        of = {(self.place(row).id, self.id(row)): row for row in self.table}
        for message in self.world.messages.values():
            readers = [row for (place, _), row in of.items() if place == message.channel_id]
            told_to = readers if message.audience is None else [of.get((message.channel_id, message.audience))]
            states = message.states if message.author_id == self.world.bot.id else []
            for number, state in enumerate(states):
                if self._is_new(message.id, number):
                    self._compare(f"message {number}", text_of(state), told_to)
        for used in self.world.interactions.values():
            if self._is_new(used.id):
                row = of[used.channel_id, used.user_id]
                self._compare(f"what {used.name} gave", json.dumps(used.response_data or {}), [row])
        self.look_at_requests(self.may_be_sent.__getitem__)

    def look_at_requests(self, may_be_sent: Callable[[int], Seen]) -> None:
        """See that the model was sent nothing since the last look that is not for whoever asked."""
        requests = self.bot.model.requests[self._sent :]
        self._sent += len(requests)
        for request in requests:
            text = json.dumps(dict(request.body))
            if too_much := told(text) - may_be_sent(_table(text)):
                self.leaks.append(f"the model is sent {sorted(too_much)} for table {_table(text)}")

    def _is_new(self, *what: int) -> bool:
        is_new = what not in self._looked_at
        self._looked_at.add(what)
        return is_new

    def _compare(self, what: str, text: str, told_to: Iterable[Row | None]) -> None:
        for row in told_to:
            if too_much := told(text) - (row.alone if row else frozenset()):
                self.leaks.append(f"{row and row.who} sees {sorted(too_much)} in {what} in #{row and row.where}")

    def sees_all(self) -> set[tuple[str, str]]:
        """Who sees which place, but for who sees everything."""
        world = self.world
        people = [user for user in world.users.values() if user.id not in {world.bot.id, world.owner.id}]
        return {
            (where, user.name)
            for where, place in self.places.items()
            for user in people
            if world.sees(user.id, place.id)
        }


def keys(message: Message) -> list[str]:
    """The key of the answer whose buttons a message shows, now that it has come to its end."""
    return re.findall(r"answer:copy:(\d+)", json.dumps(message.now.components))


def shown_in(message: Message) -> str:
    return text_of(message.now)


def text_of(state: Any) -> str:
    files = [file.content.decode("utf-8", "replace") for file in state.attachments]
    return "\n".join([state.content, json.dumps([state.embeds, state.components]), *files])


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def with_collections(folder: Path) -> Path:
    """A document in each collection, with its word."""
    for name, word in WORDS.items():
        place = folder if name == "shared" else folder / f"@{name}"
        place.mkdir(parents=True, exist_ok=True)
        text = f"# Supper\n\nFor supper on Friday there is {word}, at every table. With it goes more {word}.\n"
        (place / "supper.md").write_text(text, encoding="utf-8")
    return folder


async def few_at_once(doings: Iterable[Awaitable[None]]) -> None:
    """All of them, some at a time: whoever uses a command is answered within three seconds on a busy machine too."""
    room = asyncio.Semaphore(8)

    async def do(doing: Awaitable[None]) -> None:
        async with room:
            await doing

    await asyncio.gather(*map(do, doings))


@asynccontextmanager
async def town(folder: Path) -> AsyncGenerator[Town]:
    documents = with_collections(folder / "collections")
    async with deployed(
        folder,
        answering,
        data_dir=str(documents),
        direct_messages="true",
        edit_interval="0.2",
        concurrent_answers="50",
        crowded_channel="200",
    ) as bot:
        bot.standin.counters = Counters(Limits().scaled(20))
        world = bot.standin.world
        general, people_team = world.channel_named("general"), world.channel_named("people-team")
        harbour = world.guilds[general.guild_id or 0]
        team, admins = (
            role for name in ("People team", "Admins") for role in harbour.roles.values() if role.name == name
        )
        ada, ben, lea = (world.user_named(name).id for name in ("Ada", "Ben", "Lea"))
        world.give_role(harbour.id, ada, team.id)
        world.give_role(harbour.id, lea, admins.id)
        lobby = world.add_channel(harbour.id, "lobby")
        thread = world._open(Channel(world.new_id(), "a thread", harbour.id, ChannelKind.THREAD, people_team.id))
        other = world.add_guild("Elsewhere")
        elsewhere = world.add_channel(other.id, "elsewhere")
        for who in (ben, lea):
            world.add_member(other.id, who)
        world.add_member(other.id, world.add_user("Zoe").id, admins.permissions)
        for name, rule in {
            "team": f"guilds = [{harbour.id}]",
            "pay": f"guilds = [{harbour.id}]\nroles = [{team.id}]",
            "lobby": f"guilds = [{harbour.id}]\nchannels = [{lobby.id}]",
            "lea": f"users = [{lea}]",
            "other": f"guilds = [{other.id}]",
        }.items():
            (documents / f"@{name}.toml").write_text(rule, encoding="utf-8")
        await bot.until(lambda: bool(world.commands.get(other.id)))
        places = {"general": general, "people-team": people_team, "thread": thread, "lobby": lobby}
        here = Town(bot, {**places, "elsewhere": elsewhere})
        here._sent = len(bot.model.requests)
        yield here


async def ask_every_way(here: Town, row: Row, answers: dict[tuple[Row, str], Message]) -> None:
    """All ways in by which one person may ask in one place."""
    first = await here.says(row, "mention", row.together)
    await here.says(row, "follow-up", row.together, to=first)
    if row.where == "direct":
        return
    answers[row, "together"] = await here.asks(row, "ask", row.together)
    # In a thread a question in private builds on what was said there, and sees no more than that.
    alone = row.together if row.where == "thread" else row.alone
    answers[row, "alone"] = await here.asks(row, "ask private", alone, private=True)
    await here.picks(row, "menu", row.together, "public")
    await here.picks(row, "menu private", alone, "private")
    if row.where != "thread":
        for name in list(WORDS)[2:]:
            await here.asks(row, f"ask @{name}", row.alone & {name}, collection=f"@{name}")


async def type_everything(here: Town, row: Row) -> None:
    """What is suggested to one person in one place."""
    after = seen(LOOKED_AFTER.get(row.who, "")) if is_admin(row) else frozenset[str]()
    for command, option, wanted in (
        ("ask", "collection", row.alone),
        ("docs list", "collection", after),
        ("docs add", "collection", after),
        ("reindex", "collection", after),
        ("docs show", "document", row.alone | after if is_admin(row) else after),
        ("docs remove", "document", row.alone | after if is_admin(row) else after),
    ):
        way = f"{command} {option}…"
        here.wanted[row.where, row.who, way] = wanted
        here.cells[row.where, row.who, way] = await here.types(row, command, option)


async def press_every_button(
    here: Town, asker: str, message: Message, others: list[Row], *, scope: Seen, holds: Seen
) -> None:
    """Each of those there at an answer of somebody's, whether it is shown to them or not."""
    of = f"{asker}’s {'private ' if message.audience else ''}answer"
    for other in others:
        if message.audience and other.who != asker:  # Discord shows it to the asker alone: only who forges can click
            for deed in (Deed.SOURCES, Deed.COPY, Deed.AGAIN):
                await here.presses(other, f"{deed.name} of {of}", frozenset(), deed, message)
            continue
        may_see = holds if scope <= other.alone else frozenset[str]()
        await here.presses(other, f"Sources of {of}", may_see, Deed.SOURCES, message)
        await here.presses(other, f"Copy of {of}", may_see, Deed.COPY, message)
        if is_admin(other) and other.who != asker:
            await here.asks_again(other, f"Regenerate {of}", other.together & scope, message)


async def be_unhappy(here: Town, row: Row, name: str) -> None:
    """Ask one collection, and say that the answer lacks something."""
    word, given = WORDS[name], "shared" if name == "shared" else f"@{name}"
    words = f"Is {word}, {word}, {word} or {word} there"
    message = await here.asks(row, f"unhappy with @{name}", seen(name), collection=given, words=words)
    pressed = here.world.press(message.id, custom_id(Deed.DOWN, *keys(message)), here.id(row))
    await here.bot.until(lambda: pressed.acknowledged_at is not None)


async def look_as_admin(here: Town, row: Row) -> None:
    """What people missed, as far as it is this person's to know."""
    ours = HARBOUR if row.where in HARBOUR else ("elsewhere",)
    missed = {name for where, _, name in UNHAPPY if where in ours}
    wanted = row.alone & missed if is_admin(row) else frozenset[str]()
    for command in ("gaps", "feedback export"):
        here.note(row, command, wanted, await here.looks(row, command))
    here.look_at_requests(lambda _: row.alone)


def is_admin(row: Row) -> bool:
    return (row.who, row.where in HARBOUR) in {("Lea", True), ("Mia", True), ("Zoe", False)}


async def once_opened(here: Town, answer: Message) -> None:
    """What was said among few stays theirs, though others may read there from now on."""
    here.table = rows(OPENED)
    room = here.places["people-team"]
    here.world.overwrite(room.id, room.guild_id or 0)
    await asyncio.sleep(0.3)
    scope = seen("shared team pay")
    await press_every_button(here, "Ada", answer, here.table, scope=scope, holds=scope)
    await asyncio.gather(*(here.says(row, "follow-up once opened", row.together, to=answer) for row in here.table))


async def test_everybody_is_told_what_they_may_see_by_every_way_in_and_nobody_anything_else(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        in_channels = [row for row in here.table if row.where != "direct"]
        assert here.sees_all() == {(row.where, row.who) for row in in_channels}, "the table names all who read along"
        answers: dict[tuple[Row, str], Message] = {}
        await few_at_once(ask_every_way(here, row, answers) for row in here.table)
        await few_at_once(type_everything(here, row) for row in in_channels)
        here.look_for_leaks()
        pressing = [
            press_every_button(
                here,
                row.who,
                message,
                [other for other in in_channels if other.where == row.where],
                scope=row.together if audience == "together" else row.alone,
                holds=row.alone if audience == "alone" and row.where != "thread" else row.together,
            )
            for (row, audience), message in answers.items()
        ]
        await few_at_once(pressing)
        here.look_for_leaks()
        by_name = {(row.where, row.who): row for row in in_channels}
        await asyncio.gather(*(be_unhappy(here, by_name[where, who], name) for where, who, name in UNHAPPY))
        here.look_for_leaks()
        await asyncio.gather(*(look_as_admin(here, row) for row in in_channels if not is_admin(row)))
        # What is embedded for one is known for the next: whoever may see least goes first.
        for row in sorted(filter(is_admin, in_channels), key=lambda row: len(row.alone)):
            await look_as_admin(here, row)
        here.look_for_leaks()
        await once_opened(here, answers[by_name["people-team", "Ada"], "together"])
        here.look_for_leaks()
    assert here.cells == here.wanted
    assert here.leaks == []
    assert len(here.cells) > 500
