"""A message's menu: "Ask the docs about this" shows its words as a question, to be edited and then answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.answers.conversation import following
from bot.answers.service import asked
from bot.discord_adapter import InteractionSurface, deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import LEFT_OPEN, Forms, answering, clicked
from bot.discord_adapter.history import Hearing, is_conversation
from bot.discord_adapter.visibility import Visibility, channels_of, roles_of
from bot.domain import QUESTION_LIMIT

if TYPE_CHECKING:
    from bot.answers.service import Asking
    from bot.domain import Question

NAME = "Ask the docs about this"
QUESTION = "question"
AUDIENCE = "audience"
PRIVATE = "private"
PUBLIC = "public"


class Menus(commands.Cog):
    """What can be picked from a message's menu. ``visibility`` says what the one who picked it may be told."""

    def __init__(self, asking: Asking, visibility: Visibility | None = None) -> None:
        self._asking = asking
        self._visibility = visibility or Visibility()
        self._forms = Forms("menus:form")
        self.menus = (app_commands.ContextMenu(name=NAME, callback=self._open_form),)

    async def _open_form(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        if self._asking.is_new(interaction.id):
            question = self._hearing(interaction).question_in(message)
            await interaction.response.send_modal(Form(self, message, question, self._forms.named(interaction)))

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Tell whoever sends a form that a restart left open; discord.py takes the others."""
        if self._forms.is_left_open(clicked(interaction)) and self._asking.is_new(interaction.id):
            await whisper(interaction, LEFT_OPEN)

    async def answer(
        self, interaction: discord.Interaction[Any], message: discord.Message, question: str, *, is_private: bool
    ) -> None:
        """Answer what was sent with the form, knowing what was said before the message."""
        if not self._asking.is_new(interaction.id):
            return
        record = asked(interaction, question, await self._visibility.told(interaction, is_private=is_private))
        channels = () if is_private else channels_of(interaction.channel)
        if refusal := await self._asking.admit(record, roles=roles_of(interaction.user), channels=channels):
            await whisper(interaction, refusal)
            return
        if not await deferred(interaction, ephemeral=is_private):
            return
        await self._asking.ask(
            record,
            lambda controls: InteractionSurface(interaction, controls=controls),
            prepare=lambda question: self._prepared(question, interaction, message),
            is_thread=is_conversation(interaction.channel),
        )

    async def _prepared(
        self, question: Question, interaction: discord.Interaction[Any], message: discord.Message
    ) -> Question:
        said = await self._hearing(interaction).before(message)
        asker = interaction.user
        return following(question, said, question.scope, speaker=asker.display_name, speaker_id=asker.id)

    def _hearing(self, interaction: discord.Interaction[Any]) -> Hearing:
        return Hearing(interaction.client, self._asking.recall)


class Form(ui.Modal, title=NAME):
    """The question, filled in beforehand, and who is to see its answer."""

    def __init__(self, menus: Menus, message: discord.Message, text: str, name: str) -> None:
        super().__init__(custom_id=name)
        self._menus = menus
        self._message = message
        self._question: ui.TextInput[Form] = ui.TextInput(
            custom_id=QUESTION,
            style=discord.TextStyle.paragraph,
            default=prefilled(text),
            placeholder="What would you like to know?",
            max_length=QUESTION_LIMIT,
        )
        self._audience: ui.RadioGroup[Form] = ui.RadioGroup(
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
        async with answering(interaction):
            await self._menus.answer(interaction, self._message, self._question.value, is_private=is_private)


def prefilled(text: str) -> str:
    """A message's words as far as they fit into a question."""
    return text.strip()[:QUESTION_LIMIT]
