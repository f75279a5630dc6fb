"""What admins chose and did, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.records.memory.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.records.values import AuditEntry, Json


class MemoryGuilds(State):
    """The part of the records that is ``Guilds``."""

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """As ``Guilds.load_guild_settings``."""
        return dict(self._settings[guild_id])

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """As ``Guilds.save_guild_setting``."""
        if value is None:
            self._settings[guild_id].pop(name, None)
        else:
            self._settings[guild_id][name] = value

    async def save_audit_entry(self, entry: AuditEntry) -> None:
        """As ``Guilds.save_audit_entry``; beyond a thousand the oldest is forgotten."""
        self._audit_log.append(entry)

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """As ``Guilds.load_audit_log``."""
        latest = [act for act in reversed(self._audit_log) if act.guild_id == guild_id]
        return sorted(latest, key=lambda act: -act.at)[:limit]
