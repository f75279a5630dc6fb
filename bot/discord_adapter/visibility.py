"""A person and a place on Discord go in; what may be said there comes out as a Scope, and whether they are an admin.

What Discord does not tell is taken for the worst: a channel whose rights are not known is read by everybody.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.access.scopes import Admins, Person, Place, Readers, Rule, is_admin, may_change, visible
from bot.domain import SHARED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bot.domain import Scope

FOR_ADMINS = "This is for those who may manage the server, and for those whom the operator has named."
"""What anybody else is told, whatever commands their server lets them see."""

MEMBERSHIP_LIFE = 60.0
"""Seconds for which it is remembered who somebody in a direct message is in their guilds."""

_STRANGERS = Readers(frozenset({0}))
"""Readers nobody knows anything of: no rule opens to them but one for the whole guild."""


async def _none() -> Mapping[str, Rule]:
    return {}


class Visibility:
    """Who may be told what, where. ``rules`` gives every collection's rule as it is now; ``clock`` is in seconds."""

    def __init__(
        self,
        rules: Callable[[], Awaitable[Mapping[str, Rule]]] = _none,
        admins: Admins | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._admins = admins or Admins()
        self._clock = clock
        self._known: dict[int, tuple[float, Person]] = {}

    async def told(self, interaction: discord.Interaction[Any], *, is_private: bool) -> Scope:
        """What whoever used a command, a button or a form may be told there; to them alone if ``is_private``."""
        rules = await self._rules()
        if interaction.guild_id is None:
            person = await self._person_alone(interaction.client, interaction.user.id, rules)
            is_alone = is_private or isinstance(interaction.channel, discord.DMChannel)
            return visible(rules, person, Place(readers=None if is_alone else _STRANGERS))
        place = _place(interaction.guild_id, interaction.channel, is_private=is_private)
        return visible(rules, self.person(interaction), place)

    async def told_in_reply(self, client: discord.Client, message: discord.Message) -> Scope:
        """What may be answered to a message where it stands."""
        rules = await self._rules()
        if message.guild is None:
            person = await self._person_alone(client, message.author.id, rules)
            return visible(rules, person, Place(readers=None))
        person = self._member(message.author, message.guild.id, may_manage=False)
        return visible(rules, person, _place(message.guild.id, message.channel, is_private=False))

    async def told_all(self, guild_id: int, channel: object) -> Scope:
        """What may be said in a channel to nobody in particular: what everybody who reads it may see."""
        rules = await self._rules()
        return visible(rules, Person(0, frozenset({guild_id})), _place(guild_id, channel, is_private=False))

    def person(self, interaction: discord.Interaction[Any]) -> Person:
        """Whoever used a command, with the rights Discord gives them in this very place."""
        return self._member(interaction.user, interaction.guild_id, may_manage=interaction.permissions.manage_guild)

    def is_admin(self, interaction: discord.Interaction[Any]) -> bool:
        """Whether they may use the commands for admins, whatever the server's own settings let them see."""
        return interaction.guild_id is not None and is_admin(self._admins, self.person(interaction))

    async def may_change(self, interaction: discord.Interaction[Any], collection: str) -> bool:
        """Whether this admin may add to a collection and take from it."""
        served = len(interaction.client.guilds)
        return self.is_admin(interaction) and may_change(
            await self._rules(), collection, self.person(interaction), served=served
        )

    async def changeable(self, interaction: discord.Interaction[Any]) -> list[str]:
        """The collections that this admin may change, by name, the shared one first."""
        if not self.is_admin(interaction):
            return []
        rules, person, served = await self._rules(), self.person(interaction), len(interaction.client.guilds)
        names = [SHARED, *sorted(rules)]
        return [name for name in names if may_change(rules, name, person, served=served)]

    def _member(self, user: discord.User | discord.Member, guild_id: int | None, *, may_manage: bool) -> Person:
        guilds = frozenset({guild_id}) if guild_id is not None else frozenset[int]()
        return Person(user.id, guilds, roles_of(user), may_manage, is_operator=user.id in self._admins.users)

    async def _person_alone(self, client: discord.Client, user_id: int, rules: Mapping[str, Rule]) -> Person:
        """Somebody in a direct message, with their guilds and roles as far as any rule asks for them."""
        known = self._known.get(user_id)
        if known and self._clock() - known[0] < MEMBERSHIP_LIFE:
            return known[1]
        guilds: set[int] = set()
        roles: set[int] = set()
        for guild in client.guilds:
            if not any(_concerns(rule, guild) for rule in rules.values()):
                continue
            if member := await _membership(guild, user_id):
                guilds.add(guild.id)
                roles.update(role.id for role in member.roles)
        is_operator = user_id in self._admins.users
        person = Person(user_id, frozenset(guilds), frozenset(roles), is_operator=is_operator)
        self._known[user_id] = (self._clock(), person)
        return person


def readers(channel: object) -> Readers:
    """Who can read a channel, or a thread's, beside those who can read everything; everybody where it is not known."""
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    guild = channel.guild if isinstance(channel, discord.abc.GuildChannel) else None
    # A channel the gateway never told of comes without its overwrites.
    if guild is None or not isinstance(channel, discord.abc.GuildChannel) or guild.get_channel(channel.id) is None:
        return _STRANGERS
    # Whoever sees a channel has one role that is enough for it: what a role allows, no other role takes away.
    roles = {
        role.id
        for role in guild.roles
        if not role.permissions.administrator and channel.permissions_for(role).view_channel
    }
    users = {
        target.id
        for target, overwrite in channel.overwrites.items()
        if overwrite.view_channel and not isinstance(target, discord.Role) and guild.get_role(target.id) is None
    }
    return Readers(frozenset(roles), frozenset(users - {guild.me.id}))


def channels_of(channel: object) -> frozenset[int]:
    """A channel's id and, of a thread, that of the channel it lies in."""
    here: int | None = getattr(channel, "id", None)
    parent: int | None = channel.parent_id if isinstance(channel, discord.Thread) else None
    return frozenset(each for each in (here, parent) if each is not None)


def roles_of(user: discord.abc.User) -> frozenset[int]:
    """The roles of a member, by their ids; of anybody else none."""
    return frozenset(role.id for role in user.roles) if isinstance(user, discord.Member) else frozenset()


def _place(guild_id: int, channel: object, *, is_private: bool) -> Place:
    return Place(guild_id, channels_of(channel), None if is_private else readers(channel))


def _concerns(rule: Rule, guild: discord.Guild) -> bool:
    return guild.id in rule.guilds or any(guild.get_role(role) for role in rule.roles)


async def _membership(guild: discord.Guild, user_id: int) -> discord.Member | None:
    if member := guild.get_member(user_id):
        return member
    try:
        return await guild.fetch_member(user_id)
    except (discord.HTTPException, aiohttp.ClientError, OSError):
        return None
