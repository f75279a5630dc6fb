"""The world as the page is told it: plain JSON values, with each state of each message rendered and timed. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bot.preview.offers import commands, menus
from bot.preview.options import OptionKind, values_of
from bot.preview.world import InteractionKind, ResponseKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.preview.drafts import Json
    from bot.preview.rendering import DiscordMarkdown
    from bot.preview.world import Channel, Interaction, Message, MessageState, User, World

_BUTTON = 2
_LINK_STYLE = 5
_BUTTON_STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "danger", _LINK_STYLE: "link"}
_LONG_INPUT = 2
_TEXT_INPUT = 4
_CHOICES = {3, 21}
"""Discord's numbers for components of which one of several options is chosen: a select, a group of radio buttons."""
_LONGEST_INPUT = 4_000
"""Characters that a form's text field takes where the bot does not say."""
_SAME_BEGINNING = 4
"""Characters that two states must have in common at their start to be one text that grew."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What one answer cost and when it came. Times are seconds; None where there is nothing to measure yet."""

    edits: int = 0
    throttled: int = 0
    mean_gap: float | None = None
    longest_gap: float | None = None
    first_sign: float | None = None
    first_words: float | None = None
    took: float | None = None


def measured(pages: Sequence[Message], asked_at: float, throttled: Sequence[float]) -> Wire:
    """The figures of one answer.

    Args:
        pages: its messages, oldest first.
        asked_at: when it was asked for, in Unix seconds.
        throttled: when requests were answered with 429, in Unix seconds; those from ``asked_at`` on are counted.
    """
    if not pages:
        return Wire()
    spoken = sorted(state.time for page in pages for state in page.states if not state.is_thinking)
    gaps = [later - earlier for earlier, later in pairwise(spoken)]
    return Wire(
        edits=sum(len(page.states) - 1 for page in pages),
        throttled=sum(at >= asked_at for at in throttled),
        mean_gap=sum(gaps) / len(gaps) if gaps else None,
        longest_gap=max(gaps, default=None),
        first_sign=pages[0].created_at - asked_at,
        first_words=_first_words(pages[0], asked_at),
        took=max(page.states[-1].time for page in pages) - asked_at,
    )


def _first_words(page: Message, asked_at: float) -> float | None:
    """When the page first began as it does now: a status line that was replaced is not the answer's words."""
    last = _words(page.now)[:_SAME_BEGINNING]
    times = [state.time for state in page.states if last and _words(state).startswith(last)]
    return times[0] - asked_at if times else None


def _words(state: MessageState) -> str:
    """A state's text without its small print."""
    return "\n".join(line for line in state.content.splitlines() if not line.startswith("-# ")).strip()


class Views:
    """Shows a world to one of its members."""

    def __init__(self, world: World, markdown: DiscordMarkdown, viewer: User) -> None:
        self._world = world
        self._markdown = markdown
        self._viewer = viewer

    # Places

    def place(self) -> Json:
        """Where the viewer is: the guild, its channels, who is who."""
        guild = next(iter(self._world.guilds.values()), None)
        return {
            "guild": guild.name if guild else "Direct messages",
            "bot": self._person(self._world.bot.id),
            "viewer": self._person(self._viewer.id),
            "channels": [self.channel(channel) for channel in self._world.channels.values() if self.sees(channel.id)],
            **self.offers(),
        }

    def channel(self, channel: Channel) -> Json:
        """One line of the channel list."""
        parent = str(channel.parent_id or "")
        return {"id": str(channel.id), "name": channel.name, "kind": channel.kind.name.lower(), "parent": parent}

    def offers(self) -> Json:
        """What the viewer is offered in the channels they see."""
        seen = [channel_id for channel_id in self._world.channels if self.sees(channel_id)]
        offered = {channel_id: self._world.offered(self._viewer.id, channel_id) for channel_id in seen}
        return {"commands": commands(offered), "menus": menus(offered)}

    def is_visible(self, message: Message) -> bool:
        """Whether the viewer sees this message at all."""
        return message.audience in {None, self._viewer.id} and self.sees(message.channel_id)

    def sees(self, channel_id: int) -> bool:
        """Whether the viewer sees this channel."""
        return self._world.sees(self._viewer.id, channel_id)

    def is_own(self, interaction: Interaction) -> bool:
        """Whether it was the viewer who did this: nobody else is shown a command on its way."""
        return interaction.user_id == self._viewer.id

    def _person(self, user_id: int) -> Json:
        user = self._world.users[user_id]
        initials = "".join(word[0] for word in user.name.split()[:2]).upper()
        return {"id": str(user.id), "name": user.name, "initials": initials, "is_bot": user.is_bot}

    def _names(self) -> Mapping[str, str]:
        people = {str(user.id): user.name for user in self._world.users.values()}
        roles = {str(role.id): role.name for guild in self._world.guilds.values() for role in guild.roles.values()}
        return people | roles | {str(channel.id): channel.name for channel in self._world.channels.values()}

    # Messages

    def message(self, message: Message, *, since: int = 0) -> Json:
        """A message with its states from number ``since`` on."""
        begun = self.asked_at(message)
        interaction = self._world.interactions.get(message.interaction_id or 0)
        is_pressed = interaction is not None and interaction.kind is not InteractionKind.COMMAND
        return {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "author": self._person(message.author_id),
            "at": message.created_at,
            "answers": str(message.interaction_id or ""),
            "used": None if interaction is None or is_pressed else self._used(interaction),
            "reply": self._reply(message),
            "is_private": message.audience is not None,
            "is_edited": message.edited_at is not None,
            "is_deleted": message.deleted_at is not None,
            "since": since,
            "states": [self._state(state, begun) for state in message.states[since:]],
            "reactions": {emoji: len(users) for emoji, users in message.reactions.items()},
        }

    def asked_at(self, message: Message) -> float:
        """When what this message answers was said, in Unix seconds; its own first moment if it answers nothing."""
        if interaction := self._world.interactions.get(message.interaction_id or 0):
            return interaction.created_at
        if question := self._world.messages.get(message.reference or 0):
            return question.created_at
        return message.created_at

    def _state(self, state: MessageState, begun: float) -> Json:
        return {
            "after": state.time - begun,
            "is_thinking": state.is_thinking,
            "html": self._html(state.content, state.time),
            "embeds": [self._embed(embed, state.time) for embed in state.embeds],
            "buttons": list(_buttons(state.components)),
            "files": [file.filename for file in state.attachments],
        }

    def _embed(self, embed: Json, now: float) -> Json:
        fields: list[Json] = embed.get("fields") or []
        footer: Json = embed.get("footer") or {}
        return {
            "title": str(embed.get("title") or ""),
            "html": self._html(str(embed.get("description") or ""), now),
            "fields": [{"name": str(f["name"]), "html": self._html(str(f["value"]), now)} for f in fields],
            "footer": str(footer.get("text") or ""),
        }

    def _html(self, text: str, now: float) -> str:
        return self._markdown.rendered(text, names=self._names(), now=now)

    def _reply(self, message: Message) -> Json | None:
        target = self._world.messages.get(message.reference or 0)
        if target is None:
            return None
        return {"author": self._person(target.author_id), "html": self._html(target.now.content, target.now.time)}

    def _used(self, interaction: Interaction) -> Json:
        text = " ".join(self._said(option) for option in values_of(interaction.data))
        return {"user": self._person(interaction.user_id), "command": interaction.path, "text": text}

    def _said(self, option: Json) -> str:
        """An option's value as people read it: a name instead of an id."""
        value = str(option["value"])
        return self._names().get(value, value) if option["type"] > OptionKind.BOOLEAN else value

    # Interactions

    def interaction(self, interaction: Interaction) -> Json:
        """A command or click on its way: waiting, settled or failed; with the form that answered it, if one did."""
        return {
            "id": str(interaction.id),
            "channel": str(interaction.channel_id),
            "at": interaction.created_at,
            "is_command": interaction.kind is InteractionKind.COMMAND,
            "used": self._used(interaction),
            "author": self._person(self._world.bot.id),
            "is_settled": interaction.acknowledged_at is not None,
            "has_failed": interaction.has_failed,
            "form": self._form(interaction),
        }

    def _form(self, interaction: Interaction) -> Json | None:
        is_ours = interaction.user_id == self._viewer.id
        if interaction.response is not ResponseKind.MODAL or interaction.response_data is None or not is_ours:
            return None
        data = interaction.response_data
        return {"title": str(data.get("title", "")), "fields": list(_fields(data["components"]))}

    # Figures

    def wire(self, throttled: Sequence[float]) -> Json:
        """The figures of the bot's latest answer: all messages that answer the same thing are its pages."""
        spoken = [m for m in self._world.messages.values() if m.author_id == self._world.bot.id and self.is_visible(m)]
        pages = [m for m in spoken if _answered(m) == _answered(spoken[-1])]
        return asdict(measured(pages, self.asked_at(pages[0]) if pages else 0.0, throttled))


def _answered(message: Message) -> int:
    """What a message answers, by id: an interaction, another message, or nothing but itself."""
    return message.interaction_id or message.reference or message.id


def _buttons(rows: Sequence[Json]) -> Iterator[Json]:
    for row in rows:
        inner: list[Json] = row.get("components") or []
        for component in inner:
            if component.get("type") == _BUTTON:
                yield _button(component)


def _button(component: Json) -> Json:
    emoji: Json = component.get("emoji") or {}
    url = str(component.get("url") or "")
    return {
        "id": str(component.get("custom_id") or ""),
        "label": f"{emoji.get('name') or ''} {component.get('label') or ''}".strip(),
        "style": _BUTTON_STYLES.get(component.get("style", 2), "secondary"),
        "url": url if url.startswith(("https://", "http://")) else "",
        "is_disabled": bool(component.get("disabled", False)),
    }


def _fields(components: Sequence[Json], label: Json | None = None) -> Iterator[Json]:
    """A form's fields, whether in rows (the label is the input's) or in labels (it is theirs, with a description)."""
    for component in components:
        above = label or component
        if component.get("type") in {_TEXT_INPUT, *_CHOICES}:
            yield _field(component, str(above.get("label") or ""), str(above.get("description") or ""))
        inner: list[Json] = component.get("components") or []
        yield from _fields(inner)
        if single := component.get("component"):
            yield from _fields([single], component)


def _field(component: Json, label: str, hint: str) -> Json:
    options: list[Json] = component.get("options") or []
    return {
        "id": str(component["custom_id"]),
        "label": label,
        "hint": hint,
        "is_long": component.get("style") == _LONG_INPUT,
        "is_required": bool(component.get("required", True)),
        "placeholder": str(component.get("placeholder") or ""),
        "value": str(component.get("value") or ""),
        "longest": int(component.get("max_length") or _LONGEST_INPUT),
        "choices": [
            {
                "value": str(option["value"]),
                "label": str(option["label"]),
                "hint": str(option.get("description") or ""),
                "is_chosen": bool(option.get("default", False)),
            }
            for option in options
        ],
    }
