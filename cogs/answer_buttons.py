"""The buttons below an answer: stop, ask again, show sources, copy, vote.

A button holds only the answer's id, so it works after a restart; each click is checked again: who, and where.
"""

from __future__ import annotations

import io
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord.ext import commands

from bot.answers.excerpts import copy_text, format_sources
from bot.answers.status_lines import INTERRUPTED_NOTE, append_note
from bot.answers.stored_answer import render_page
from bot.discord_adapter import answer_buttons
from bot.discord_adapter.answer_buttons import ButtonAction
from bot.discord_adapter.components import FORGED
from bot.discord_adapter.destinations import ResponseDestination, build_question, report_end
from bot.discord_adapter.replies import edit_clicked_message, send_ephemeral
from bot.domain import Scope
from bot.errors import RecordsUnusable
from bot.records import AnswerStatus, Vote
from bot.text.citations import find_cited_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bot.access.admission import GuildSettingsStore
    from bot.answers.excerpts import EphemeralContent
    from bot.answers.service import AnswerService
    from bot.discord_adapter.answer_buttons import ButtonId
    from bot.discord_adapter.components import CustomId
    from bot.discord_adapter.visibility import Visibility
    from bot.records import AnswerRecord, Records

_log = logging.getLogger(__name__)

COMMENT_LIMIT = 1_000
"""Characters of the longest comment."""

_COMMENT_ID = "comment"

NO_RECORD = "I no longer have the record of this answer. Ask again with /ask."
WRONG_CHANNEL = "This button belongs to an answer in another channel."
PRIVATE_ANSWER = "Only the person who asked sees this answer."
ASKER_ONLY = "Only the person who asked, or someone who may manage messages here, can do that."
NO_ACCESS = "This answer uses documents that you may not see."
STILL_WRITING = "This answer is still being written."
ALREADY_ENDED = "This answer has ended already."
ALREADY_REGENERATING = "This question is being answered again already."
NO_SOURCES = "This answer has no sources."
ATTACH_AGAIN = "The file of this question was not stored. Ask again with /ask, and attach it once more."
THANKS = "Thank you. Your vote is counted."


class Answers(commands.Cog):
    """Handles the buttons below answers.

    ``visibility`` says what the person who clicks may see; ``clock`` returns Unix seconds.
    """

    component_family = answer_buttons.COMPONENT_FAMILY

    def __init__(
        self,
        answer_service: AnswerService,
        records: Records,
        visibility: Visibility,
        guild_settings: GuildSettingsStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self._records = records
        self._visibility = visibility
        self._guild_settings = guild_settings
        self._clock = clock
        self._regenerating: set[str] = set()

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Perform the button's action, if this person may do it to this answer here."""
        button_id = answer_buttons.parse_button_id(custom_id)
        if button_id is None:
            await send_ephemeral(interaction, FORGED)
            return
        try:
            await self._handle_click(interaction, button_id)
        except RecordsUnusable as error:
            _log.warning("Interaction %s: reading the records failed: %s", interaction.id, error.user_message)
            await send_ephemeral(interaction, NO_RECORD)

    async def _handle_click(self, interaction: discord.Interaction[Any], button_id: ButtonId) -> None:
        record = await self._answer_service.recall(button_id.answer_id)
        if record is None:
            await send_ephemeral(interaction, NO_RECORD)
        elif refusal := await self._find_refusal(interaction, button_id.action, record):
            await send_ephemeral(interaction, refusal)
        else:
            await self._perform(button_id.action, interaction, record)

    async def _find_refusal(
        self, interaction: discord.Interaction[Any], action: ButtonAction, record: AnswerRecord
    ) -> str:
        """Return why this person may not do this to this answer; "" if they may."""
        if not _is_at_answer(interaction, record):
            return WRONG_CHANNEL
        if _is_ephemeral(interaction) and interaction.user.id != record.asker_id:
            return PRIVATE_ANSWER
        if action in {ButtonAction.STOP, ButtonAction.REGENERATE} and not _can_control(interaction, record):
            return ASKER_ONLY
        if action in {ButtonAction.SOURCES, ButtonAction.COPY}:
            own = await self._visibility.scope_for_interaction(interaction, is_private=True)
            if not record.scope.collections <= own.collections:
                return NO_ACCESS
        if action is not ButtonAction.STOP and self._answer_service.is_writing(record.answer_id):
            return STILL_WRITING
        return ""

    async def _perform(self, action: ButtonAction, interaction: discord.Interaction[Any], record: AnswerRecord) -> None:
        match action:
            case ButtonAction.STOP:
                await self._stop(interaction, record)
            case ButtonAction.REGENERATE:
                await self._regenerate(interaction, record)
            case ButtonAction.SOURCES:
                # As the lines below the answer: the passages it cites, or all that it was given if it cites none.
                passages = find_cited_sources(record.text, record.sources) or record.sources
                await _send_content(interaction, format_sources(passages, record.text), fallback=NO_SOURCES)
            case ButtonAction.COPY:
                await _send_content(interaction, copy_text(record.text), fallback=NO_RECORD)
            case ButtonAction.THUMBS_UP:
                await self._vote(interaction, record, is_up=True)
                await send_ephemeral(interaction, THANKS)
            case ButtonAction.THUMBS_DOWN:
                await self._vote(interaction, record, is_up=False)
                await interaction.response.send_modal(_build_comment_modal(record.answer_id))
            case ButtonAction.FEEDBACK_MODAL:
                await self._vote(interaction, record, is_up=False, comment=_read_comment(interaction))
                await send_ephemeral(interaction, THANKS)

    async def _stop(self, interaction: discord.Interaction[Any], record: AnswerRecord) -> None:
        # The model first, Discord afterwards: every further token costs money.
        if self._answer_service.stop(record.answer_id, interaction.user.display_name):
            await interaction.response.defer()
        elif record.status is AnswerStatus.WRITING and not self._answer_service.is_writing(record.answer_id):
            await self._finish_interrupted(interaction, record)
        else:
            await self._show_again(interaction, record)

    async def _show_again(self, interaction: discord.Interaction[Any], record: AnswerRecord) -> None:
        """Show an ended answer from its record: an edit that Discord applied late has put back an older state."""
        message_id = interaction.message.id if interaction.message else 0
        page = render_page(record, message_id) if _shows_stop_button(interaction, record) else None
        if page is None:
            await send_ephemeral(interaction, ALREADY_ENDED)
            return
        is_last = message_id == record.message_ids[-1]
        view = _build_view(answer_buttons.build_final_buttons(record)) if is_last else None
        await edit_clicked_message(interaction, page, view)

    async def _finish_interrupted(self, interaction: discord.Interaction[Any], record: AnswerRecord) -> None:
        """End a message that was left unfinished when the bot was killed, and offer to ask again."""
        closed = replace(record, status=AnswerStatus.RESTARTING, ended_at=self._clock())
        await edit_clicked_message(
            interaction,
            append_note(interaction.message.content if interaction.message else "", INTERRUPTED_NOTE),
            _build_view(answer_buttons.build_final_buttons(closed)),
        )
        await self._records.save_answer(closed)

    async def _regenerate(self, interaction: discord.Interaction[Any], record: AnswerRecord) -> None:
        """Answer the question again, for the person who clicks, in a new message.

        Not in place of the old answer: what people have read, quoted and voted on stays, a second failure destroys
        nothing, and the new answer has a fresh interaction with its own 15 minutes and bucket.
        """
        if record.answer_id in self._regenerating:
            await send_ephemeral(interaction, ALREADY_REGENERATING)
            return
        if record.attached:
            await send_ephemeral(interaction, ATTACH_AGAIN)
            return
        self._regenerating.add(record.answer_id)
        try:
            is_private = _is_ephemeral(interaction)
            settings = await self._guild_settings.load(interaction.guild_id)
            own = await self._visibility.scope_for_interaction(interaction, is_private=is_private)
            # A question about one collection stays with it, whoever asks it again.
            scope = Scope(own.collections & record.scope.collections)
            # A rewritten follow-up was made from earlier answers: only for those who may still see them.
            may_see = record.scope.collections <= own.collections
            text = (may_see and record.searched_for) or record.question
            end_reason = await self._answer_service.ask(
                build_question(interaction, text, scope, settings),
                ResponseDestination(interaction, is_private),
                settings,
            )
            await report_end(interaction, end_reason)
        finally:
            self._regenerating.discard(record.answer_id)

    async def _vote(
        self, interaction: discord.Interaction[Any], record: AnswerRecord, *, is_up: bool, comment: str | None = None
    ) -> None:
        """Store a vote.

        Raises:
            RecordsUnusable: it cannot be counted.
        """
        vote = Vote(record.answer_id, interaction.user.id, is_up=is_up, at=self._clock(), comment=comment)
        if not await self._records.save_vote(vote):
            raise RecordsUnusable("The vote was not counted: its answer is no longer stored.")


def _shows_stop_button(interaction: discord.Interaction[Any], record: AnswerRecord) -> bool:
    """Return whether the clicked message looks as if its answer were still being written."""
    rows = interaction.message.components if interaction.message else []
    stop_id = answer_buttons.format_custom_id(ButtonAction.STOP, record.answer_id)
    buttons = (button for row in rows if isinstance(row, discord.ActionRow) for button in row.children)
    return any(button.custom_id == stop_id for button in buttons)


def _is_ephemeral(interaction: discord.Interaction[Any]) -> bool:
    """Return whether the clicked answer is visible to one person only."""
    return interaction.message is not None and interaction.message.flags.ephemeral


def _is_at_answer(interaction: discord.Interaction[Any], record: AnswerRecord) -> bool:
    """Return whether the click comes from the answer's own message, as far as its messages are known."""
    message_id = interaction.message.id if interaction.message else None
    return (interaction.guild_id, interaction.channel_id or 0) == (record.guild_id, record.channel_id) and (
        not record.message_ids or message_id in record.message_ids
    )


def _can_control(interaction: discord.Interaction[Any], record: AnswerRecord) -> bool:
    is_moderator = interaction.guild_id is not None and interaction.permissions.manage_messages
    return interaction.user.id == record.asker_id or is_moderator


async def _send_content(interaction: discord.Interaction[Any], content: EphemeralContent, *, fallback: str) -> None:
    """Send the messages to the person who clicked, with the file on the last one."""
    if not content.messages:
        await send_ephemeral(interaction, fallback)
        return
    *first, last = content.messages
    for message in first:
        await send_ephemeral(interaction, message)
    files = [discord.File(io.BytesIO(content.file), content.file_name)] if content.file_name else []
    await send_ephemeral(interaction, last, files=files)


def _build_comment_modal(answer_id: str) -> discord.ui.Modal:
    """Return the modal that asks, after a 👎, what was missing. The vote counts whether or not it is sent."""
    modal = discord.ui.Modal(
        title="What was missing?", custom_id=answer_buttons.format_custom_id(ButtonAction.FEEDBACK_MODAL, answer_id)
    )
    modal.add_item(
        discord.ui.Label(
            text="What did you miss, or what was wrong?",
            description="Optional. Your 👎 is counted already.",
            component=discord.ui.TextInput(
                custom_id=_COMMENT_ID,
                style=discord.TextStyle.paragraph,
                required=False,
                max_length=COMMENT_LIMIT,
            ),
        )
    )
    modal.stop()  # discord.py need not store it: it comes back to ``on_interaction``
    return modal


def _build_view(rows: Sequence[Mapping[str, Any]]) -> discord.ui.View:
    """Return buttons given as JSON as a view, which discord.py needs to edit a message."""
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


def _read_comment(interaction: discord.Interaction[Any]) -> str:
    """Return what was typed into the modal, cut to the length that the modal allows."""
    data: Any = interaction.data or {}
    return "".join(_iter_comment_values(data.get("components", [])))[:COMMENT_LIMIT].strip()


def _iter_comment_values(components: Sequence[Any]) -> Iterator[str]:
    for component in components:
        if component.get("custom_id") == _COMMENT_ID:
            yield str(component.get("value") or "")
        inner = component.get("component")
        yield from _iter_comment_values([*component.get("components", []), *([inner] if inner else [])])
