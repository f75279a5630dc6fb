"""What admins chose and did, in a SQL database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.schema import audit_log, guild_settings, match_guild
from bot.records.values import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.records.values import Json


class SqlGuilds(Database):
    """The part of the records that is ``Guilds``."""

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """As ``Guilds.load_guild_settings``."""
        s = guild_settings.c
        async with self._read_transaction() as connection:
            found = await connection.execute(sa.select(s.name, s.value).where(s.guild_id == guild_id).order_by(s.name))
            return dict(found.tuples().all())

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """As ``Guilds.save_guild_setting``."""
        row = {"guild_id": guild_id, "name": name, "value": value}
        s = guild_settings.c
        reset = sa.delete(guild_settings).where(s.guild_id == guild_id, s.name == name)
        async with self._write_transaction() as connection:
            await connection.execute(reset if value is None else self._upsert(guild_settings, row))

    async def save_audit_entry(self, entry: AuditEntry) -> None:
        """As ``Guilds.save_audit_entry``."""
        async with self._write_transaction() as connection:
            await connection.execute(sa.insert(audit_log).values(**(asdict(entry) | {"details": dict(entry.details)})))

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """As ``Guilds.load_audit_log``."""
        a = audit_log.c
        wanted = (
            sa.select(a.at, a.guild_id, a.user_id, a.name, a.details)
            .where(match_guild(a.guild_id, guild_id))
            .order_by(a.at.desc(), a.number.desc())
            .limit(limit)
        )
        async with self._read_transaction() as connection:
            return [AuditEntry(**row._asdict()) for row in await connection.execute(wanted)]
