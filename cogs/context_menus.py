"""A message's menu: "Ask the docs about this" shows its words as a question, to be edited and then answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.answers.conversation import with_history
from bot.answers.service import record_from_interaction
from bot.discord_adapter import InteractionSurface, defer
from bot.discord_adapter.client import send_ephemeral
from bot.discord_adapter.components import STALE_MODAL, ModalIds, custom_id_of, error_boundary
from bot.discord_adapter.history import MessageHistory, is_conversation
from bot.discord_adapter.visibility import Visibility, channel_ids_of, role_ids_of
from bot.domain import QUESTION_LIMIT

if TYPE_CHECKING:
    from bot.answers.service import AnswerService
    from bot.domain import Question

MENU_NAME = "Ask the docs about this"
QUESTION = "question"
AUDIENCE = "audience"
PRIVATE = "private"
PUBLIC = "public"


class ContextMenus(commands.Cog):
    """What can be picked from a message's menu. ``visibility`` says what the one who picked it may be told."""

    def __init__(self, answer_service: AnswerService, visibility: Visibility | None = None) -> None:
        self._answer_service = answer_service
        self._visibility = visibility or Visibility()
        self._modal_ids = ModalIds("menus:form")
        self.context_menus = (app_commands.ContextMenu(name=MENU_NAME, callback=self._open_modal),)

    async def _open_modal(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        if self._answer_service.is_new_event(interaction.id):
            question = self._create_history(interaction).read_question(message)
            await interaction.response.send_modal(
                QuestionModal(self, message, question, self._modal_ids.create(interaction))
            )

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Tell whoever sends a form that a restart left open; discord.py takes the others."""
        if self._modal_ids.is_stale(custom_id_of(interaction)) and self._answer_service.is_new_event(interaction.id):
            await send_ephemeral(interaction, STALE_MODAL)

    async def answer(
        self, interaction: discord.Interaction[Any], message: discord.Message, question: str, *, is_private: bool
    ) -> None:
        """Answer what was sent with the form, knowing what was said before the message."""
        if not self._answer_service.is_new_event(interaction.id):
            return
        record = record_from_interaction(
            interaction, question, await self._visibility.scope_for_interaction(interaction, is_private=is_private)
        )
        channels = () if is_private else channel_ids_of(interaction.channel)
        if refusal := await self._answer_service.admit(record, roles=role_ids_of(interaction.user), channels=channels):
            await send_ephemeral(interaction, refusal)
            return
        if not await defer(interaction, ephemeral=is_private):
            return
        await self._answer_service.ask(
            record,
            lambda controls: InteractionSurface(interaction, components=controls),
            enrich=lambda question: self._enrich(question, interaction, message),
            is_thread=is_conversation(interaction.channel),
        )

    async def _enrich(
        self, question: Question, interaction: discord.Interaction[Any], message: discord.Message
    ) -> Question:
        said = await self._create_history(interaction).load_before(message)
        asker = interaction.user
        return with_history(question, said, question.scope, speaker=asker.display_name, speaker_id=asker.id)

    def _create_history(self, interaction: discord.Interaction[Any]) -> MessageHistory:
        return MessageHistory(interaction.client, self._answer_service.recall)


class QuestionModal(ui.Modal, title=MENU_NAME):
    """The question, filled in beforehand, and who is to see its answer."""

    def __init__(self, cog: ContextMenus, message: discord.Message, text: str, custom_id: str) -> None:
        super().__init__(custom_id=custom_id)
        self._cog = cog
        self._message = message
        self._question: ui.TextInput[QuestionModal] = ui.TextInput(
            custom_id=QUESTION,
            style=discord.TextStyle.paragraph,
            default=truncate_question(text),
            placeholder="What would you like to know?",
            max_length=QUESTION_LIMIT,
        )
        self._audience: ui.RadioGroup[QuestionModal] = ui.RadioGroup(
            custom_id=AUDIENCE,
            options=[
                discord.RadioGroupOption(label="Only I see the answer", value=PRIVATE, default=True),
                discord.RadioGroupOption(label="Everybody here sees it", value=PUBLIC),
            ],
        )
        self.add_item(ui.Label(text="Question", component=self._question))
        self.add_item(ui.Label(text="Who sees the answer", component=self._audience))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Answer, to this person alone unless they chose otherwise."""
        is_private = self._audience.value != PUBLIC
        async with error_boundary(interaction):
            await self._cog.answer(interaction, self._message, self._question.value, is_private=is_private)


def truncate_question(text: str) -> str:
    """A message's words as far as they fit into a question."""
    return text.strip()[:QUESTION_LIMIT]
