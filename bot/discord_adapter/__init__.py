"""Where an answer appears: pages go to Discord; what comes back is done, busy or gone, and what the headers teach.

``messages`` are the pages with their buttons, ``doors`` how they reach Discord, ``limits`` what its headers say,
``rights`` whether the bot may write at all, ``leftovers`` what a killed process did not finish.
"""

from bot.discord_adapter.permissions import is_open, may_write
from bot.discord_adapter.rate_limit_headers import channel_lane, interaction_lane, lane_of, rate_limit_trace
from bot.discord_adapter.surfaces import TOKEN_LIFE, ChannelSurface, Controls, InteractionSurface, Place, deferred
from bot.discord_adapter.unfinished_messages import Leftovers, ended

__all__ = [
    "TOKEN_LIFE",
    "ChannelSurface",
    "Controls",
    "InteractionSurface",
    "Leftovers",
    "Place",
    "channel_lane",
    "deferred",
    "ended",
    "interaction_lane",
    "is_open",
    "lane_of",
    "may_write",
    "rate_limit_trace",
]
