"""Recognises questions that a proxy bot such as PluralKit deletes and posts again by a webhook."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import discord

    from bot.discord_adapter.tracked_questions import TrackedQuestion

REPOST_WINDOW = 10.0
"""Seconds after a question in which a proxy posts it again; PluralKit needs one or two."""

DELETION_GRACE = 3.0
"""Seconds that a deleted question waits for its repost: Discord may deliver the deletion first."""

_MAX_QUESTIONS = 200


@dataclass(slots=True)
class _Original:
    message: discord.Message
    tracked_question: TrackedQuestion
    reposted: asyncio.Event = field(default_factory=asyncio.Event)


class Reposts:
    """Connects questions with their reposts.

    ``clock`` returns Unix seconds; ``reads_messages``: the bot may read messages that do not mention it.
    """

    def __init__(self, clock: Callable[[], float], *, reads_messages: bool) -> None:
        self._clock = clock
        self._reads_messages = reads_messages
        self._originals: deque[_Original] = deque(maxlen=_MAX_QUESTIONS)

    def add_question(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Note a question that a proxy may post again."""
        self._originals.append(_Original(message, tracked_question))

    def match(self, message: discord.Message) -> TrackedQuestion | None:
        """Return the question that a webhook's message repeats, None for any other message."""
        # The response to a command is sent by a webhook as well.
        if message.webhook_id is None or message.interaction_metadata is not None:
            return None
        if self._reads_messages and not message.content:
            return None
        for original in reversed(self._originals):
            if (
                not original.reposted.is_set()
                and original.message.channel.id == message.channel.id
                and self._is_recent(original)
                # Proxies remove a prefix or suffix. Without the intent for it, the content may be empty.
                and message.content.strip() in original.message.content
            ):
                original.reposted.set()
                return original.tracked_question
        return None

    def find_original(self, tracked_question: TrackedQuestion) -> discord.Message | None:
        """Return the message that a person wrote for a question; None if it is no longer known."""
        found = (each.message for each in self._originals if each.tracked_question is tracked_question)
        return next(found, None)

    async def wait_for_repost(self, message_id: int) -> bool:
        """Return whether a deleted question was posted again, or is within a moment."""
        original = next((each for each in self._originals if each.message.id == message_id), None)
        if original is None:
            return False
        if not original.reposted.is_set() and self._is_recent(original):
            try:
                async with asyncio.timeout(DELETION_GRACE):
                    await original.reposted.wait()
            except TimeoutError:
                return False
        return original.reposted.is_set()

    def _is_recent(self, original: _Original) -> bool:
        return self._clock() - original.message.created_at.timestamp() <= REPOST_WINDOW
