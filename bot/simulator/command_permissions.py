"""Which registered commands somebody is offered: by Discord's defaults, and by what a server set itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.members import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.simulator.members import Guild
    from bot.simulator.message_drafts import Json

CONTEXT_GUILD, CONTEXT_BOT_DM = 0, 1
"""Discord's numbers for the places in which a command may be used."""


def is_offered_in_dm(command: Json) -> bool:
    """Whether a global command is offered in direct messages, where nobody has permissions."""
    contexts = command.get("contexts")
    return command.get("dm_permission", True) is not False and (contexts is None or CONTEXT_BOT_DM in contexts)


def is_offered(
    command: Json, guild: Guild, user_id: int, permissions: Permission, command_permissions: Mapping[int, bool]
) -> bool:
    """Whether a member is offered a command in a guild's channel.

    Args:
        command: as it is registered; its ``default_member_permissions`` count where the server set nothing.
        guild: the guild.
        user_id: the member.
        permissions: what they may do in the channel.
        command_permissions: what the server set itself, by the id of a user, a role or, for everybody, the guild.
    """
    contexts = command.get("contexts")
    if Permission.USE_APPLICATION_COMMANDS not in permissions or (
        contexts is not None and CONTEXT_GUILD not in contexts
    ):
        return False
    if Permission.ADMINISTRATOR in permissions:
        return True
    of_roles = [
        command_permissions[role_id] for role_id in guild.get_role_ids(user_id) if role_id in command_permissions
    ]
    if user_id in command_permissions:
        return command_permissions[user_id]
    if of_roles:
        return any(of_roles)
    return command_permissions[guild.id] if guild.id in command_permissions else _meets_default(command, permissions)


def _meets_default(command: Json, permissions: Permission) -> bool:
    """Whether somebody has all permissions that a command wants; one that wants "0" is for administrators alone."""
    default = command.get("default_member_permissions")
    if default is None:
        return True
    wanted = int(default)
    return wanted != 0 and int(permissions) & wanted == wanted
