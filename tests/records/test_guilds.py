"""What admins chose for their guild, and what they did, is the same from everywhere and stays inside the guild."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.records import AuditEntry
from tests.records.samples import ADMIN, ELSEWHERE, GUILD

if TYPE_CHECKING:
    from bot.records import Json, Records
    from tests.records.conftest import RecordsBackend


@pytest.mark.parametrize(
    "value", [True, False, 0, 7, 1.5, "", "Deutsch \ud83d\x00", [], [2**60, None], {"a": [{"b": None}]}]
)
async def test_a_guilds_setting_is_any_json_and_comes_back_as_it_was_set(records: Records, value: Json) -> None:
    await records.save_guild_setting(GUILD, "language", value)
    assert await records.load_guild_settings(GUILD) == {"language": value}
    assert not await records.load_guild_settings(ELSEWHERE)


async def test_a_setting_is_replaced_and_reset(records: Records) -> None:
    for name, value in (("tone", "Kind."), ("threads", True), ("tone", "Kinder.")):
        await records.save_guild_setting(GUILD, name, value)
    assert await records.load_guild_settings(GUILD) == {"threads": True, "tone": "Kinder."}
    await records.save_guild_setting(ELSEWHERE, "tone", None)
    await records.save_guild_setting(GUILD, "tone", None)
    assert await records.load_guild_settings(GUILD) == {"threads": True}


async def test_settings_outlive_the_process(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_guild_setting(GUILD, "channels", [1, 2])
    async with persistent_backend.open() as records:
        assert await records.load_guild_settings(GUILD) == {"channels": [1, 2]}


async def test_audit_log_is_listed_per_guild_latest_first(records: Records) -> None:
    first = AuditEntry(1_000.0, GUILD, ADMIN, "reindex", {"full": True, "files": ["a.md"]})
    second, third = (AuditEntry(1_001.0, GUILD, ADMIN, name) for name in ("docs add", "docs remove"))
    direct, other = AuditEntry(1_002.0, None, ADMIN, "status"), AuditEntry(1_003.0, ELSEWHERE, ADMIN, "forget")
    for act in (first, second, third, direct, other):
        await records.save_audit_entry(act)
    assert await records.load_audit_log(GUILD, 10) == [third, second, first]
    assert await records.load_audit_log(GUILD, 2) == [third, second]
    assert await records.load_audit_log(None, 10) == [direct]
