"""Counts tokens a day in the database and reserves them within limits; several processes may do so at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.records.sql.schema import budget_counters, usage_records
from bot.records.values import UsageReservation

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bot.records.values import UsageLimits, UsageRecord

_LOCK_ID: Final = 0x627564676574
"""The advisory lock of everything that changes the counters: "budget" in ASCII."""

_DAY: Final = 24 * 3600
_MINUTE: Final = 60.0
_NO_LIMIT: Final = 2**62


async def reserve(connection: AsyncConnection, usage: UsageRecord, limits: UsageLimits) -> UsageReservation:
    """Add an estimate to the counters and store it, unless a limit is reached."""
    await _lock_counters(connection)
    if (too_many := await _find_reached_minute(connection, usage, limits)) is not None:
        return too_many
    bounds = {"person": limits.person_daily, "guild": limits.guild_daily, "total": limits.total_daily}
    tokens = await _add_tokens(connection, usage, usage.tokens, bounds)
    missing = [kind for kind, _ in _subjects(usage) if kind not in tokens]
    if missing:
        for kind, subject_id in _subjects(usage):
            if kind in tokens:
                await connection.execute(
                    sa.update(budget_counters)
                    .where(
                        budget_counters.c.kind == kind,
                        budget_counters.c.subject_id == subject_id,
                        budget_counters.c.day == _day(usage),
                    )
                    .values(tokens=budget_counters.c.tokens - usage.tokens)
                )
        return UsageReservation(f"{missing[0]}_daily")
    await connection.execute(sa.insert(usage_records).values(**asdict(usage)))
    return UsageReservation(tokens=tokens)


async def store(connection: AsyncConnection, usage: UsageRecord) -> None:
    """Store usage and correct the counters by the difference; an estimate never replaces settled usage."""
    await _lock_counters(connection)
    is_same = (usage_records.c.answer_id == usage.answer_id) & (usage_records.c.at == usage.at)
    row = (await connection.execute(sa.select(usage_records).where(is_same))).one_or_none()
    if row is None:
        await connection.execute(sa.insert(usage_records).values(**asdict(usage)))
    elif row.is_settled or not usage.is_settled:
        return
    else:
        await connection.execute(sa.update(usage_records).where(is_same).values(tokens=usage.tokens, is_settled=True))
    await _add_tokens(connection, usage, usage.tokens - (0 if row is None else row.tokens), {})


async def _lock_counters(connection: AsyncConnection) -> None:
    """Wait for other processes' changes, so that everything read afterwards includes them. SQLite has one writer."""
    if connection.dialect.name != "sqlite":
        await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_ID})


async def _find_reached_minute(
    connection: AsyncConnection, usage: UsageRecord, limits: UsageLimits
) -> UsageReservation | None:
    for name, limit, is_counted in (
        ("person", limits.person_per_minute, usage_records.c.user_id == usage.user_id),
        ("guild", limits.guild_per_minute if usage.guild_id is not None else 0, _is_in_guild(usage)),
        ("total", limits.total_per_minute, sa.true()),
    ):
        if not limit:
            continue
        # The question that must leave the minute before there is room.
        blocking = await connection.scalar(
            sa.select(usage_records.c.at)
            .where(is_counted, usage_records.c.at > usage.at - _MINUTE)
            .order_by(usage_records.c.at.desc())
            .offset(limit - 1)
            .limit(1)
        )
        if blocking is not None:
            return UsageReservation(f"{name}_per_minute", retry_at=blocking + _MINUTE)
    return None


async def _add_tokens(
    connection: AsyncConnection, usage: UsageRecord, tokens: int, bounds: dict[str, int]
) -> dict[str, int]:
    """Add to the counters that are below their bound, in one statement; return the new sums of those."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert
    counters = budget_counters.c
    rows = [
        {"kind": kind, "subject_id": subject_id, "day": _day(usage), "tokens": tokens}
        for kind, subject_id in _subjects(usage)
    ]
    statement = insert(budget_counters).values(rows)
    bound = (
        sa.case(*((counters.kind == kind, limit or _NO_LIMIT) for kind, limit in bounds.items()), else_=_NO_LIMIT)
        if bounds
        else sa.literal(_NO_LIMIT)
    )
    upsert = statement.on_conflict_do_update(
        index_elements=["kind", "subject_id", "day"],
        set_={"tokens": counters.tokens + statement.excluded.tokens},
        where=counters.tokens < bound,
    ).returning(counters.kind, counters.tokens)
    return {row.kind: row.tokens for row in await connection.execute(upsert)}


def _subjects(usage: UsageRecord) -> list[tuple[str, int]]:
    """Return whose counters usage adds to, always in the same order."""
    guild = [("guild", usage.guild_id)] if usage.guild_id is not None else []
    return [("person", usage.user_id), *guild, ("total", 0)]


def _is_in_guild(usage: UsageRecord) -> sa.ColumnElement[bool]:
    return usage_records.c.guild_id == usage.guild_id


def _day(usage: UsageRecord) -> int:
    return int(usage.at // _DAY)
