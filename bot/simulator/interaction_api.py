"""What the bot does with an interaction's token: its first answer, and what follows within 15 minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.bot_api import not_found
from bot.simulator.events import InteractionAcknowledged
from bot.simulator.interactions import TOKEN_LIFETIME, Interaction, InteractionKind, ResponseKind
from bot.simulator.message_drafts import ApiError, Draft, Json
from bot.simulator.messages import Message, MessageFlag, MessageState

if TYPE_CHECKING:
    from bot.simulator.world import World

CHOICES_LIMIT = 25
"""Most suggestions for an option."""

CHOICE_LENGTH_LIMIT = 100
"""Longest name or value of a suggestion, in characters."""


class InteractionApi:
    """Answers interactions, as a bot does with an interaction's token."""

    def __init__(self, world: World) -> None:
        self._world = world

    def acknowledge(
        self, interaction_id: int, token: str, kind: ResponseKind, data: Json | None, draft: Draft
    ) -> Interaction:
        """The bot's first answer to an interaction; ``draft`` is the message in it, where there is one.

        Raises:
            Refusal: 10062 when it is unknown or too late, 40060 when it was answered before.
        """
        self._world.fail_overdue_interactions()
        interaction = self._world.interactions.get(interaction_id)
        if interaction is None or interaction.token != token or interaction.has_failed:
            raise not_found("interaction", 10062)
        if interaction.acknowledged_at is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        _check_kind(interaction, kind, data or {})
        self._respond(interaction, kind, draft)
        interaction.acknowledged_at = self._world.clock()
        interaction.response, interaction.response_data = kind, data
        self._world.emit(InteractionAcknowledged(interaction.acknowledged_at, interaction))
        return interaction

    def _respond(self, interaction: Interaction, kind: ResponseKind, draft: Draft) -> None:
        ephemeral = MessageFlag(draft.flags or 0) & MessageFlag.EPHEMERAL
        if kind is ResponseKind.DEFERRED_MESSAGE:
            thinking = MessageState(self._world.clock(), flags=ephemeral | MessageFlag.LOADING)
            interaction.original_response_id = self._add_response(interaction, thinking).id
        elif kind is ResponseKind.MESSAGE:
            interaction.original_response_id = self._add_response(
                interaction, self._world.bot_api.build_first_state(draft, ephemeral)
            ).id
        elif kind in {ResponseKind.DEFERRED_UPDATE, ResponseKind.UPDATE}:
            interaction.original_response_id = interaction.message_id
            if kind is ResponseKind.UPDATE and interaction.message_id is not None:
                self._world.bot_api.edit_any_message(self._world.messages[interaction.message_id], draft)

    def _add_response(self, interaction: Interaction, state: MessageState) -> Message:
        if interaction.channel_id not in self._world.channels:
            raise not_found("Channel", 10003)
        audience = interaction.user_id if MessageFlag.EPHEMERAL in state.flags else None
        return self._world.insert_message(
            Message(
                self._world.generate_id(),
                interaction.channel_id,
                self._world.bot.id,
                [state],
                interaction.id,
                visible_to_user_id=audience,
            )
        )

    def find_interaction(self, token: str) -> Interaction:
        """The interaction whose token this is.

        Raises:
            Refusal: 10015 when there is none or it was not acknowledged, 50027 when the token's 15 minutes are over.
        """
        interaction = self._world.interactions_by_token.get(token)
        if interaction is None:
            raise not_found("Webhook", 10015)
        if self._world.clock() - interaction.created_at > TOKEN_LIFETIME:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if interaction.acknowledged_at is None:
            raise not_found("Webhook", 10015)
        return interaction

    def find_response(self, token: str, message_id: int | None) -> Message:
        """The original response (None), or a follow-up; raises Refusal 10008 and those of ``find_interaction``."""
        interaction = self.find_interaction(token)
        message = self._world.messages.get(message_id or interaction.original_response_id or 0)
        belongs = message is not None and (
            message.interaction_id == interaction.id or message.id == interaction.original_response_id
        )
        if message is None or not belongs or message.deleted_at is not None:
            raise not_found("Message", 10008)
        return message

    def edit_response(self, token: str, message_id: int | None, draft: Draft) -> Message:
        """The bot edits the original response (None), or a follow-up."""
        return self._world.bot_api.edit_any_message(self.find_response(token, message_id), draft)

    def remove_response(self, token: str, message_id: int | None) -> None:
        """The bot deletes the original response (None), or a follow-up."""
        self._world.delete(self.find_response(token, message_id).id)

    def send_follow_up(self, token: str, draft: Draft) -> Message:
        """One more message from the bot; the first after a deferred answer takes that answer's place."""
        interaction = self.find_interaction(token)
        original = self._world.messages.get(interaction.original_response_id or 0)
        if original is not None and original.deleted_at is None and original.current_state.is_thinking:
            return self._world.bot_api.edit_any_message(original, draft)
        ephemeral = MessageFlag(draft.flags or 0) & MessageFlag.EPHEMERAL
        return self._add_response(interaction, self._world.bot_api.build_first_state(draft, ephemeral))


def _check_kind(interaction: Interaction, kind: ResponseKind, data: Json) -> None:
    """Suggestions are for what is being typed, and for nothing else; a form is not answered with another."""
    is_typing = interaction.kind is InteractionKind.AUTOCOMPLETE
    is_form_again = interaction.kind is InteractionKind.MODAL and kind is ResponseKind.MODAL
    if is_typing is not (kind is ResponseKind.CHOICES) or is_form_again:
        raise ApiError.for_field("type", "INTERACTION_CALLBACK_TYPE_INVALID", "Invalid interaction callback type")
    choices: list[Json] = data.get("choices") or []
    if len(choices) > CHOICES_LIMIT:
        words = f"Must be {CHOICES_LIMIT} or fewer in length."
        raise ApiError.for_field("data.choices", "BASE_TYPE_MAX_LENGTH", words)
    for text in (str(choice.get(part)) for choice in choices for part in ("name", "value")):
        if not 1 <= len(text) <= CHOICE_LENGTH_LIMIT:
            words = f"Must be between 1 and {CHOICE_LENGTH_LIMIT} in length."
            raise ApiError.for_field("data.choices", "BASE_TYPE_BAD_LENGTH", words)
