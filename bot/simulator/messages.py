"""One message with every state in which it was ever shown. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Attachment, Json


class MessageFlag(IntFlag):
    """The message flags that mean something here, with Discord's own bits."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12


NO_FLAGS = MessageFlag(0)
SETTABLE_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll at a message: its question and its answers."""

    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """A message as it was when somebody forwarded it, and where it is."""

    channel_id: int
    message_id: int
    state: MessageState


@dataclass(frozen=True, slots=True)
class MessageState:
    """What a reader saw of a message from ``time`` (Unix seconds) until its next state.

    ``allowed_mentions`` and ``sent_flags`` are what the bot sent with exactly this state; None where it sent none.
    """

    time: float
    content: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    flags: MessageFlag = NO_FLAGS
    attachments: tuple[Attachment, ...] = ()
    stickers: tuple[str, ...] = ()
    poll: Poll | None = None
    forwarded: tuple[Forward, ...] = ()
    allowed_mentions: Json | None = None
    sent_flags: int | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether only "… is thinking" was shown."""
        return MessageFlag.LOADING in self.flags

    @property
    def files(self) -> tuple[Attachment, ...]:
        """Every file that can be fetched from it, those of forwarded messages too."""
        return (*self.attachments, *(file for forward in self.forwarded for file in forward.state.attachments))

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to show, which Discord refuses."""
        return not (
            self.content
            or self.embeds
            or self.components
            or self.attachments
            or self.stickers
            or self.poll
            or self.forwarded
        )


@dataclass(slots=True)
class Message:
    """One message with all its states, oldest first. ``visible_to_user_id`` is the only user who sees an ephemeral one.

    ``webhook_id`` is the webhook's that wrote it, under a name of its own.
    """

    id: int
    channel_id: int
    author_id: int
    states: list[MessageState]
    interaction_id: int | None = None
    reference_id: int | None = None
    visible_to_user_id: int | None = None
    nonce: str | None = None
    deleted_at: float | None = None
    reactions: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    webhook_id: int | None = None

    @property
    def current_state(self) -> MessageState:
        """The state shown last."""
        return self.states[-1]

    @property
    def created_at(self) -> float:
        """When it first appeared, in Unix seconds."""
        return self.states[0].time

    @property
    def edited_at(self) -> float | None:
        """When it was last changed, None if never: the words that replace "… is thinking" are not an edit."""
        spoken = [state for state in self.states if not state.is_thinking]
        return spoken[-1].time if len(spoken) > 1 else None
