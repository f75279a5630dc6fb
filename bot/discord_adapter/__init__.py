"""Where an answer appears: pages go to Discord; what comes back is done, busy or gone, and what the headers teach.

``messages`` are the pages with their buttons, ``doors`` how they reach Discord, ``limits`` what its headers say,
``rights`` whether the bot may write at all, ``leftovers`` what a killed process did not finish.
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
