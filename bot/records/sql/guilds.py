"""What admins chose and did, in a SQL database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.schema import acts, guild_settings, of_guild
from bot.records.values import Act

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.records.values import Json


class SqlGuilds(Database):
    """The part of the records that is ``Guilds``."""

    async def guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """As ``Guilds.guild_settings``."""
        s = guild_settings.c
        async with self._reading() as connection:
            found = await connection.execute(sa.select(s.name, s.value).where(s.guild_id == guild_id).order_by(s.name))
            return dict(found.tuples().all())

    async def set_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """As ``Guilds.set_guild_setting``."""
        row = {"guild_id": guild_id, "name": name, "value": value}
        s = guild_settings.c
        reset = sa.delete(guild_settings).where(s.guild_id == guild_id, s.name == name)
        async with self._writing() as connection:
            await connection.execute(reset if value is None else self._upsert(guild_settings, row))

    async def audit(self, act: Act) -> None:
        """As ``Guilds.audit``."""
        async with self._writing() as connection:
            await connection.execute(sa.insert(acts).values(**(asdict(act) | {"details": dict(act.details)})))

    async def acts(self, guild_id: int | None, limit: int) -> Sequence[Act]:
        """As ``Guilds.acts``."""
        a = acts.c
        wanted = (
            sa.select(a.at, a.guild_id, a.user_id, a.name, a.details)
            .where(of_guild(a.guild_id, guild_id))
            .order_by(a.at.desc(), a.number.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            return [Act(**row._asdict()) for row in await connection.execute(wanted)]
