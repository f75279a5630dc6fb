"""What one browser is told of the world: everything at the beginning, then each change, and no state twice. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.world import (
    ChannelChanged,
    ChannelCreated,
    ChannelDeleted,
    CommandPermissionsChanged,
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


class EventFeed:
    """Remembers how many states of each message one browser has been told."""

    def __init__(self, world: World, views: Views, rate_limited_at: Sequence[float]) -> None:
        self._world = world
        self._views = views
        self._rate_limited_at = rate_limited_at
        self._sent_state_counts: dict[int, int] = {}

    def build_snapshot(self) -> Json:
        """Everything there is."""
        interactions = self._world.interactions.values()
        waiting = [i for i in interactions if i.acknowledged_at is None and self._views.is_own(i)]
        self._sent_state_counts.clear()
        return {
            "type": "state",
            "place": self._views.serialize_guild(),
            "messages": [
                self._serialize_message(message)
                for message in self._world.messages.values()
                if self._views.is_visible(message)
            ],
            "interactions": [self._views.serialize_interaction(interaction) for interaction in waiting],
            "wire": self._views.serialize_metrics(self._rate_limited_at),
        }

    def serialize_event(self, event: Event) -> list[Json]:
        """What a browser must know of an event; nothing, where the page does not show it."""
        match event:
            case (
                MessageCreated(message=message)
                | MessageEdited(message=message)
                | MessageDeleted(message=message)
                | ReactionAdded(message=message)
            ):
                return self._serialize_message_and_metrics(message)
            case (
                InteractionCreated(interaction=interaction)
                | InteractionAcknowledged(interaction=interaction)
                | InteractionFailed(interaction=interaction)
            ):
                is_own = self._views.is_own(interaction)
                return (
                    [{"type": "interaction", "interaction": self._views.serialize_interaction(interaction)}]
                    if is_own
                    else []
                )
            case Typing(channel_id=channel_id, user_id=user_id):
                return self._serialize_typing(channel_id, user_id)
            case RequestAnswered(status=status, route=route):
                return self._serialize_request(status, route)
            case _:
                return self._serialize_change(event)

    def _serialize_change(self, event: Event) -> list[Json]:
        """A new place, where something in it changed; everything anew, where other messages may now be seen."""
        match event:
            case ChannelCreated() | ChannelDeleted() | CommandPermissionsChanged():
                return [{"type": "place", "place": self._views.serialize_guild()}]
            case ChannelChanged() | RoleChanged() | RoleDeleted() | MemberChanged() | MemberLeft():
                return [self.build_snapshot()]
            case _:
                return []

    def _serialize_typing(self, channel_id: int, user_id: int) -> list[Json]:
        name = self._world.users[user_id].name
        told = {"type": "typing", "channel": str(channel_id), "name": name}
        return [told] if self._views.can_see(channel_id) else []

    def _serialize_request(self, status: int, route: str) -> list[Json]:
        if status == 429:  # noqa: PLR2004 - "too many requests" has no shorter name
            return [self._serialize_metrics()]
        return [{"type": "place", "place": self._views.serialize_guild()}] if route.endswith("/commands") else []

    def _serialize_message_and_metrics(self, message: Message) -> list[Json]:
        if not self._views.is_visible(message):
            return []
        return [{"type": "message", "message": self._serialize_message(message)}, self._serialize_metrics()]

    def _serialize_message(self, message: Message) -> Json:
        since = self._sent_state_counts.get(message.id, 0)
        self._sent_state_counts[message.id] = len(message.states)
        return self._views.serialize_message(message, since=since)

    def _serialize_metrics(self) -> Json:
        return {"type": "wire", "wire": self._views.serialize_metrics(self._rate_limited_at)}
