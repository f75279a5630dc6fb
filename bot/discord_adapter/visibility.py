"""Determines which collections a person may see in a place on Discord, and whether they are an admin.

What Discord does not tell is taken for the worst case: a channel with unknown permissions is read by everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.access.scopes import Admins, Audience, Location, Person, Rule, can_manage, is_admin, resolve_scope
from bot.domain import SHARED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bot.domain import Scope

_UNKNOWN_AUDIENCE = Audience(frozenset({0}))
"""Unknown readers: only a rule for the whole guild opens to them."""


async def _load_no_rules() -> Mapping[str, Rule]:
    return {}


class Visibility:
    """Decides who may see which collections where.

    ``rules`` returns every collection's current rule.
    """

    def __init__(
        self,
        rules: Callable[[], Awaitable[Mapping[str, Rule]]] = _load_no_rules,
        admins: Admins | None = None,
    ) -> None:
        self._rules = rules
        self._admins = admins or Admins()

    async def scope_for_interaction(self, interaction: discord.Interaction[Any], *, is_private: bool) -> Scope:
        """Return what the user of a command, button or modal may see there; alone if ``is_private``."""
        rules = await self._rules()
        if interaction.guild_id is None:
            person = await self._load_direct_message_person(interaction.client, interaction.user.id, rules)
            is_alone = is_private or isinstance(interaction.channel, discord.DMChannel)
            return resolve_scope(rules, person, Location(audience=None if is_alone else _UNKNOWN_AUDIENCE))
        place = _build_location(interaction.guild_id, interaction.channel, is_private=is_private)
        return resolve_scope(rules, self.person_for_interaction(interaction), place)

    async def scope_for_message(self, client: discord.Client, message: discord.Message) -> Scope:
        """Return what may be used to answer a message in its channel."""
        rules = await self._rules()
        if message.guild is None:
            person = await self._load_direct_message_person(client, message.author.id, rules)
            return resolve_scope(rules, person, Location(audience=None))
        person = self._build_person(message.author, message.guild.id, can_manage_guild=False)
        return resolve_scope(rules, person, _build_location(message.guild.id, message.channel, is_private=False))

    async def scope_for_channel(self, guild_id: int, channel: object) -> Scope:
        """Return what everybody who reads a channel may see."""
        rules = await self._rules()
        return resolve_scope(
            rules, Person(0, frozenset({guild_id})), _build_location(guild_id, channel, is_private=False)
        )

    def person_for_interaction(self, interaction: discord.Interaction[Any]) -> Person:
        """Return the user of an interaction, with the permissions they have in that channel."""
        return self._build_person(
            interaction.user, interaction.guild_id, can_manage_guild=interaction.permissions.manage_guild
        )

    def is_admin(self, interaction: discord.Interaction[Any]) -> bool:
        """Return whether the user may use admin commands, whatever the server's own settings show them."""
        return interaction.guild_id is not None and is_admin(self._admins, self.person_for_interaction(interaction))

    async def can_manage(self, interaction: discord.Interaction[Any], collection: str) -> bool:
        """Return whether this admin may add to and remove from a collection."""
        guild_count = count_guilds(interaction.client)
        return self.is_admin(interaction) and can_manage(
            await self._rules(), collection, self.person_for_interaction(interaction), guild_count=guild_count
        )

    async def manageable_collections(self, interaction: discord.Interaction[Any]) -> list[str]:
        """Return the collections that this admin may change, the shared one first."""
        if not self.is_admin(interaction):
            return []
        rules, person, guild_count = (
            await self._rules(),
            self.person_for_interaction(interaction),
            count_guilds(interaction.client),
        )
        names = [SHARED, *sorted(rules)]
        return [name for name in names if can_manage(rules, name, person, guild_count=guild_count)]

    def _build_person(
        self, user: discord.User | discord.Member, guild_id: int | None, *, can_manage_guild: bool
    ) -> Person:
        guilds = frozenset({guild_id}) if guild_id is not None else frozenset[int]()
        return Person(user.id, guilds, role_ids_of(user), can_manage_guild, is_operator=user.id in self._admins.users)

    async def _load_direct_message_person(
        self, client: discord.Client, user_id: int, rules: Mapping[str, Rule]
    ) -> Person:
        """Return a person in a direct message, with the guilds and roles that any rule names."""
        guilds: set[int] = set()
        roles: set[int] = set()
        for guild in client.guilds:
            if not any(_mentions_guild(rule, guild) for rule in rules.values()):
                continue
            if member := await _fetch_member(guild, user_id):
                guilds.add(guild.id)
                roles.update(role.id for role in member.roles)
        is_operator = user_id in self._admins.users
        return Person(user_id, frozenset(guilds), frozenset(roles), is_operator=is_operator)


def count_guilds(client: discord.Client) -> int:
    """Return the number of guilds the bot is in; two at least where other processes have shards, which know theirs."""
    return len(client.guilds) if getattr(client, "serves_all_guilds", True) else max(2, len(client.guilds))


def find_audience(channel: object) -> Audience:
    """Return who can read a channel or a thread, apart from administrators; everybody if that is not known."""
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    guild = channel.guild if isinstance(channel, discord.abc.GuildChannel) else None
    # A channel that the gateway has not sent comes without its overwrites.
    if guild is None or not isinstance(channel, discord.abc.GuildChannel) or guild.get_channel(channel.id) is None:
        return _UNKNOWN_AUDIENCE
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
    return Audience(frozenset(roles), frozenset(users - {guild.me.id}))


def channel_ids_of(channel: object) -> frozenset[int]:
    """Return a channel's id and, for a thread, its parent's."""
    here: int | None = getattr(channel, "id", None)
    parent: int | None = channel.parent_id if isinstance(channel, discord.Thread) else None
    return frozenset(each for each in (here, parent) if each is not None)


def role_ids_of(user: discord.abc.User) -> frozenset[int]:
    """Return the ids of a member's roles; none for anybody else."""
    return frozenset(role.id for role in user.roles) if isinstance(user, discord.Member) else frozenset()


def _build_location(guild_id: int, channel: object, *, is_private: bool) -> Location:
    return Location(guild_id, channel_ids_of(channel), None if is_private else find_audience(channel))


def _mentions_guild(rule: Rule, guild: discord.Guild) -> bool:
    return guild.id in rule.guilds or any(guild.get_role(role) for role in rule.roles)


async def _fetch_member(guild: discord.Guild, user_id: int) -> discord.Member | None:
    # Not the cached one: without the intent for members a role that was taken away stays in it.
    try:
        return await guild.fetch_member(user_id)
    except (discord.HTTPException, aiohttp.ClientError, OSError):
        return None
