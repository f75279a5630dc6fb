"""What one browser is told of the world: everything at the beginning, then each change, and no state twice. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.world import (
    ChannelChanged,
    ChannelCreated,
    ChannelDeleted,
    CommandSettingsChanged,
    InteractionAcknowledged,
    InteractionCreated,
    InteractionFailed,
    MemberChanged,
    MemberLeft,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    ReactionAdded,
    RequestAnswered,
    RoleChanged,
    RoleDeleted,
    Typing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.preview.views import Views
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Event, Message, World


class Feed:
    """Remembers how many states of each message one browser has been told."""

    def __init__(self, world: World, views: Views, throttled: Sequence[float]) -> None:
        self._world = world
        self._views = views
        self._throttled = throttled
        self._told: dict[int, int] = {}

    def beginning(self) -> Json:
        """Everything there is."""
        interactions = self._world.interactions.values()
        waiting = [i for i in interactions if i.acknowledged_at is None and self._views.is_own(i)]
        self._told.clear()
        return {
            "type": "state",
            "place": self._views.place(),
            "messages": [
                self._message(message) for message in self._world.messages.values() if self._views.is_visible(message)
            ],
            "interactions": [self._views.interaction(interaction) for interaction in waiting],
            "wire": self._views.wire(self._throttled),
        }

    def told(self, event: Event) -> list[Json]:
        """What a browser must know of an event; nothing, where the page does not show it."""
        match event:
            case (
                MessageCreated(message=message)
                | MessageEdited(message=message)
                | MessageDeleted(message=message)
                | ReactionAdded(message=message)
            ):
                return self._message_and_figures(message)
            case (
                InteractionCreated(interaction=interaction)
                | InteractionAcknowledged(interaction=interaction)
                | InteractionFailed(interaction=interaction)
            ):
                is_own = self._views.is_own(interaction)
                return [{"type": "interaction", "interaction": self._views.interaction(interaction)}] if is_own else []
            case Typing(channel_id=channel_id, user_id=user_id):
                return self._after_typing(channel_id, user_id)
            case RequestAnswered(status=status, route=route):
                return self._after_request(status, route)
            case _:
                return self._after_change(event)

    def _after_change(self, event: Event) -> list[Json]:
        """A new place, where something in it changed; everything anew, where other messages may now be seen."""
        match event:
            case ChannelCreated() | ChannelDeleted() | CommandSettingsChanged():
                return [{"type": "place", "place": self._views.place()}]
            case ChannelChanged() | RoleChanged() | RoleDeleted() | MemberChanged() | MemberLeft():
                return [self.beginning()]
            case _:
                return []

    def _after_typing(self, channel_id: int, user_id: int) -> list[Json]:
        name = self._world.users[user_id].name
        told = {"type": "typing", "channel": str(channel_id), "name": name}
        return [told] if self._views.sees(channel_id) else []

    def _after_request(self, status: int, route: str) -> list[Json]:
        if status == 429:  # noqa: PLR2004 - "too many requests" has no shorter name
            return [self._figures()]
        return [{"type": "place", "place": self._views.place()}] if route.endswith("/commands") else []

    def _message_and_figures(self, message: Message) -> list[Json]:
        if not self._views.is_visible(message):
            return []
        return [{"type": "message", "message": self._message(message)}, self._figures()]

    def _message(self, message: Message) -> Json:
        since = self._told.get(message.id, 0)
        self._told[message.id] = len(message.states)
        return self._views.message(message, since=since)

    def _figures(self) -> Json:
        return {"type": "wire", "wire": self._views.wire(self._throttled)}
