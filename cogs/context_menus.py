"""The message menu "Ask the docs about this": shows the message as a question, to be edited and then answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.discord_adapter.components import FORGED, CustomId, Modal
from bot.discord_adapter.destinations import QuestionContext, ResponseDestination, build_question, report_end
from bot.discord_adapter.history import MessageHistory
from bot.discord_adapter.message_content import list_files
from bot.discord_adapter.replies import send_ephemeral
from bot.domain import QUESTION_LIMIT

if TYPE_CHECKING:
    from bot.access.admission import GuildSettingsStore
    from bot.answers.service import AnswerService
    from bot.discord_adapter.attachments import AttachmentReader
    from bot.discord_adapter.visibility import Visibility

MENU_NAME = "Ask the docs about this"
QUESTION = "question"
AUDIENCE = "audience"
PRIVATE = "private"
PUBLIC = "public"


class ContextMenus(commands.Cog):
    """The message command that asks about a message.

    Args:
        answer_service: Answers the question.
        visibility: Says which collections the asker may see where.
        guild_settings: What each guild's admins have set.
        attachment_reader: Reads the files of the message.
    """

    component_family = "menus"

    def __init__(
        self,
        answer_service: AnswerService,
        visibility: Visibility,
        guild_settings: GuildSettingsStore,
        attachment_reader: AttachmentReader,
    ) -> None:
        self._answer_service = answer_service
        self._visibility = visibility
        self._guild_settings = guild_settings
        self._attachment_reader = attachment_reader
        self.context_menus = (app_commands.ContextMenu(name=MENU_NAME, callback=self._open_modal),)

    async def _open_modal(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        question = self._create_history(interaction).read_pointed_message(message)
        modal_id = interaction.client.components.create_modal_id(self.component_family, interaction)
        await interaction.response.send_modal(QuestionModal(self, message, question, modal_id))

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:  # noqa: ARG002 - as the protocol has it
        """Refuse it: this family has modals only, which the router handles."""
        await send_ephemeral(interaction, FORGED)

    async def answer(
        self, interaction: discord.Interaction[Any], message: discord.Message, question: str, *, is_private: bool
    ) -> None:
        """Answer the question of a modal, with the conversation before its message."""
        settings = await self._guild_settings.load(interaction.guild_id)
        scope = await self._visibility.scope_for_interaction(interaction, is_private=is_private)
        files = list_files(message)
        context = QuestionContext(
            self._create_history(interaction),
            interaction.user,
            scope,
            asked_with=message,
            attachment_reader=self._attachment_reader,
            files=files,
        )
        end_reason = await self._answer_service.ask(
            build_question(interaction, question, scope, settings, files=files),
            ResponseDestination(interaction, is_private),
            settings,
            enrich=context,
        )
        await report_end(interaction, end_reason)

    def _create_history(self, interaction: discord.Interaction[Any]) -> MessageHistory:
        return MessageHistory(interaction.client, self._answer_service.recall)


class QuestionModal(Modal, title=MENU_NAME):
    """The modal with the question, filled in, and a choice of who sees the answer."""

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

    async def submit(self, interaction: discord.Interaction[Any]) -> None:
        """Answer the question, visible only to this person unless they chose otherwise."""
        is_private = self._audience.value != PUBLIC
        await self._cog.answer(interaction, self._message, self._question.value, is_private=is_private)


def truncate_question(text: str) -> str:
    """Return a message's text, cut to the length of a question."""
    return text.strip()[:QUESTION_LIMIT]
