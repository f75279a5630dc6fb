"""Judges what a bot sent to the simulator: no link previews, no pings, no live link that is not marked as ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.simulator.messages import MessageFlag
from tests.reference_markdown import possible_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.simulator.messages import Message, MessageState
    from bot.simulator.world import World

_MOST_STATES = 3
"""States of one message that are read by the reference renderer: the last ones."""
_MAY_BE_LIVE = re.compile(r"https?:|steam:|discord|\]\(|<[^\s<>]*[@:]", re.IGNORECASE)
_MARKED = re.compile(r"<([^\s<>]+)>")


def find_unsafe_messages(world: World) -> list[str]:
    """Return what is wrong with the bot's messages, each with the text; empty where all are safe."""
    return [
        f"{problem}: {state.content!r}"
        for message in _list_bot_messages(world)
        for place, state in enumerate(reversed(message.states))
        if state.content and not state.is_thinking
        for problem in _find_problems(state, is_judged=place < _MOST_STATES)
    ]


def _list_bot_messages(world: World) -> Iterator[Message]:
    for channel_id in world.channels:
        yield from (message for message in world.history(channel_id) if message.author_id == world.bot.id)


def _find_problems(state: MessageState, *, is_judged: bool) -> Iterator[str]:
    if not MessageFlag(state.sent_flags or 0) & MessageFlag.SUPPRESS_EMBEDS:
        yield "link previews are not suppressed"
    allowed = state.allowed_mentions
    if allowed is None or allowed.get("parse") or allowed.get("users") or allowed.get("roles"):
        yield "mentions are allowed"
    if is_judged and _MAY_BE_LIVE.search(state.content):
        marked = set(_MARKED.findall(state.content))
        live = {link.url for link in possible_links(state.content) if link.kind != "invite"} - marked
        if live:
            yield f"live links {sorted(live)}"
