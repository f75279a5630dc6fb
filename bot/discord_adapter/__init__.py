"""Everything that touches discord.py except the commands.

``client`` is the connection; ``surfaces`` show answers through ``http``; ``rate_limit_headers`` teach the rate limiter;
``history``, ``attachments`` and ``visibility`` read what Discord knows about messages, files and people; ``components``
and ``answer_buttons`` are what can be clicked; ``replies`` are ephemeral messages and errors; ``unfinished_messages``
finishes what a killed process left.
"""

from bot.discord_adapter.permissions import can_write, has_write_permission
from bot.discord_adapter.rate_limit_headers import (
    bucket_of,
    channel_bucket,
    create_rate_limit_trace,
    interaction_bucket,
)
from bot.discord_adapter.surfaces import (
    TOKEN_LIFETIME,
    ChannelSurface,
    Components,
    InteractionSurface,
    MessageLocation,
    defer,
)

__all__ = [
    "TOKEN_LIFETIME",
    "ChannelSurface",
    "Components",
    "InteractionSurface",
    "MessageLocation",
    "bucket_of",
    "can_write",
    "channel_bucket",
    "create_rate_limit_trace",
    "defer",
    "has_write_permission",
    "interaction_bucket",
]
