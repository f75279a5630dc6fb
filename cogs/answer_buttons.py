"""The buttons below an answer: stop, ask again, see its passages, copy it, and say whether it helped.

They know nothing but an answer's key, so they work after a restart; and each click is judged anew: who, and where.
"""

from __future__ import annotations

import io
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord.ext import commands

from bot.answers.excerpts import copied, quoted
from bot.answers.service import CUT_OFF, asked
from bot.discord_adapter import InteractionSurface, answer_buttons, deferred, ended
from bot.discord_adapter.answer_buttons import Deed
from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import FORGED, answering, clicked
from bot.discord_adapter.visibility import Visibility, channels_of, roles_of
from bot.domain import Scope
from bot.errors import RecordsUnusable
from bot.records import Fate, Vote
from bot.text.citations import cited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bot.answers.excerpts import Handout
    from bot.answers.service import Asking
    from bot.records import Record, Records

_log = logging.getLogger(__name__)

WORDS_LIMIT = 1_000
"""Most characters in which someone may say what was missing."""

GONE = "I no longer have the record of this answer. Ask again with /ask."
ELSEWHERE = "That button belongs to an answer in another place."
ANOTHERS = "This answer is for somebody else alone."
NOT_YOURS = "Only the person who asked, or someone who may manage messages here, can do that."
NOT_FOR_YOU = "This answer rests on documents that you may not see."
STILL_WRITING = "This answer is still being written."
ENDED = "This answer has come to its end already."
AGAIN_ALREADY = "This question is being answered again already."
NO_SOURCES = "This answer rests on no passage."
ATTACH_AGAIN = "The file that came with this question was not kept. Ask again with /ask, and attach it once more."
THANKS = "Thank you, noted."


class Answers(commands.Cog):
    """What can be done with an answer.

    ``visibility`` says what the one who clicks may see; ``clock`` is in Unix seconds.

    It listens to interactions itself: discord.py's views would forget a form that was open when the bot went down,
    and would leave a forged button without a word.
    """

    def __init__(
        self,
        asking: Asking,
        records: Records,
        visibility: Visibility | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asking = asking
        self._records = records
        self._visibility = visibility or Visibility()
        self._clock = clock
        self._asked_again: set[str] = set()

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take what belongs to an answer; commands and other cogs' components are not for us."""
        name = clicked(interaction)
        if not answer_buttons.is_ours(name) or not self._asking.is_new(interaction.id):
            return
        async with answering(interaction):
            try:
                await self._answer_click(interaction, name)
            except RecordsUnusable as error:
                _log.warning("Click %s: %s", interaction.id, error.words)
                await whisper(interaction, GONE)

    async def _answer_click(self, interaction: discord.Interaction[Any], name: str) -> None:
        press = answer_buttons.pressed(name)
        record = await self._asking.recall(press.key) if press else None
        if press is None or record is None:
            await whisper(interaction, GONE if press else FORGED)
        elif refusal := await self._refusal(interaction, press.deed, record):
            await whisper(interaction, refusal)
        else:
            await self._do(press.deed, interaction, record)

    async def _refusal(self, interaction: discord.Interaction[Any], deed: Deed, record: Record) -> str:
        """Why this person may not do this to this answer; empty if they may."""
        if not _is_there(interaction, record):
            return ELSEWHERE
        if _is_private(interaction) and interaction.user.id != record.asker_id:
            return ANOTHERS
        if deed in {Deed.STOP, Deed.AGAIN} and not _may_direct(interaction, record):
            return NOT_YOURS
        if deed in {Deed.SOURCES, Deed.COPY}:
            own = await self._visibility.told(interaction, is_private=True)
            if not record.scope.collections <= own.collections:
                return NOT_FOR_YOU
        if deed is not Deed.STOP and self._asking.is_writing(record.key):
            return STILL_WRITING
        return ""

    async def _do(self, deed: Deed, interaction: discord.Interaction[Any], record: Record) -> None:
        match deed:
            case Deed.STOP:
                await self._stop(interaction, record)
            case Deed.AGAIN:
                await self._ask_again(interaction, record)
            case Deed.SOURCES:
                # What the lines below the answer name: the passages it cites, or if it cites none, those it was given.
                passages = cited(record.text, record.sources) or record.sources
                await _hand_out(interaction, quoted(passages, record.text), otherwise=NO_SOURCES)
            case Deed.COPY:
                await _hand_out(interaction, copied(record.text), otherwise=GONE)
            case Deed.UP:
                await self._vote(interaction, record, is_up=True)
                await whisper(interaction, THANKS)
            case Deed.DOWN:
                await self._vote(interaction, record, is_up=False)
                await interaction.response.send_modal(_form(record.key))
            case Deed.MISSING:
                await self._vote(interaction, record, is_up=False, words=_typed(interaction))
                await whisper(interaction, THANKS)

    async def _stop(self, interaction: discord.Interaction[Any], record: Record) -> None:
        # The model first, Discord afterwards: every word it still says costs money.
        if self._asking.stop(record.key, interaction.user.display_name):
            await interaction.response.defer()
        elif record.fate is Fate.WRITING and not self._asking.is_writing(record.key):
            await self._close_off(interaction, record)
        else:
            await whisper(interaction, ENDED)

    async def _close_off(self, interaction: discord.Interaction[Any], record: Record) -> None:
        """End a message that was left half-written when the bot was killed, and offer to ask again."""
        closed = replace(record, fate=Fate.RESTARTING, ended_at=self._clock())
        await interaction.response.edit_message(
            content=ended(interaction.message.content if interaction.message else "", CUT_OFF),
            view=_view(answer_buttons.afterwards(closed)),
            suppress_embeds=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        await self._records.remember(closed)

    async def _ask_again(self, interaction: discord.Interaction[Any], record: Record) -> None:
        """Answer the question once more, for the one who clicks, in a message of its own.

        Not over the old one: what people have read, quoted and judged stays, a second failure destroys nothing, and the
        new answer has a fresh interaction's quarter of an hour and its own lane.
        """
        if record.key in self._asked_again:
            await whisper(interaction, AGAIN_ALREADY)
            return
        if record.attached:
            await whisper(interaction, ATTACH_AGAIN)
            return
        self._asked_again.add(record.key)
        try:
            is_private = _is_private(interaction)
            own = await self._visibility.told(interaction, is_private=is_private)
            # A question put to one collection stays with it, whoever asks it again.
            scope = Scope(own.collections & record.scope.collections)
            # What a follow-up was searched as was made of the answers before it: not for who may no longer see those.
            may_see = record.scope.collections <= own.collections
            again = asked(interaction, (may_see and record.searched_for) or record.question, scope)
            channels = () if is_private else channels_of(interaction.channel)
            if refusal := await self._asking.admit(again, roles=roles_of(interaction.user), channels=channels):
                await whisper(interaction, refusal)
            elif await deferred(interaction, ephemeral=is_private):
                await self._asking.ask(again, lambda controls: InteractionSurface(interaction, controls=controls))
        finally:
            self._asked_again.discard(record.key)

    async def _vote(
        self, interaction: discord.Interaction[Any], record: Record, *, is_up: bool, words: str | None = None
    ) -> None:
        """Count a vote.

        Raises:
            RecordsUnusable: it cannot be counted.
        """
        vote = Vote(record.key, interaction.user.id, is_up=is_up, at=self._clock(), words=words)
        if not await self._records.vote(vote):
            raise RecordsUnusable("A vote came for an answer that is not remembered.")


def _is_private(interaction: discord.Interaction[Any]) -> bool:
    """Whether the answer that was clicked is shown to one person alone."""
    return interaction.message is not None and interaction.message.flags.ephemeral


def _is_there(interaction: discord.Interaction[Any], record: Record) -> bool:
    """Whether the click comes from where the answer stands; its messages are known once all of it is shown."""
    message_id = interaction.message.id if interaction.message else None
    return (interaction.guild_id, interaction.channel_id or 0) == (record.guild_id, record.channel_id) and (
        not record.message_ids or message_id in record.message_ids
    )


def _may_direct(interaction: discord.Interaction[Any], record: Record) -> bool:
    is_moderator = interaction.guild_id is not None and interaction.permissions.manage_messages
    return interaction.user.id == record.asker_id or is_moderator


async def _hand_out(interaction: discord.Interaction[Any], handout: Handout, *, otherwise: str) -> None:
    """Give the clicker, and nobody else, the messages, with the file at the last one."""
    if not handout.messages:
        await whisper(interaction, otherwise)
        return
    *first, last = handout.messages
    for message in first:
        await whisper(interaction, message)
    files = [discord.File(io.BytesIO(handout.file), handout.file_name)] if handout.file_name else []
    await whisper(interaction, last, files=files)


def _form(key: str) -> discord.ui.Modal:
    """What asks, after a thumb down, what was missing. The thumb counts whether or not the form is sent."""
    form = discord.ui.Modal(title="What was missing?", custom_id=answer_buttons.custom_id(Deed.MISSING, key))
    form.add_item(
        discord.ui.Label(
            text="What did you miss, or what was wrong?",
            description="If you like. Your 👎 is noted already.",
            component=discord.ui.TextInput(
                custom_id="words",
                style=discord.TextStyle.paragraph,
                required=False,
                max_length=WORDS_LIMIT,
            ),
        )
    )
    form.stop()  # discord.py need not remember it: its answer comes to ``on_interaction``
    return form


def _view(rows: Sequence[Mapping[str, Any]]) -> discord.ui.View:
    """Buttons' JSON as discord.py wants it where it edits a message itself."""
    view = discord.ui.View(timeout=None)
    for row in rows:
        for button in row["components"]:
            view.add_item(
                discord.ui.Button(
                    style=discord.ButtonStyle(button["style"]),
                    label=button.get("label"),
                    emoji=button.get("emoji", {}).get("name"),
                    custom_id=button["custom_id"],
                )
            )
    view.stop()
    return view


def _typed(interaction: discord.Interaction[Any]) -> str:
    """What was written into the form; no longer than the form allows, whatever was sent."""
    data: Any = interaction.data or {}
    return "".join(_values(data.get("components", [])))[:WORDS_LIMIT].strip()


def _values(components: Sequence[Any]) -> Iterator[str]:
    for component in components:
        if component.get("custom_id") == "words":
            yield str(component.get("value") or "")
        inner = component.get("component")
        yield from _values([*component.get("components", []), *([inner] if inner else [])])
