"""Interactions that nothing ends are ended in words before their token expires."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.discord_adapter.supervision import NO_RESPONSE, SUPERVISION_TIMEOUT
from bot.records import IN_MEMORY, SqlRecords
from tests.cogs.test_reindex import world_with_admin
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records import AuditEntry


class HangingRecords(SqlRecords):
    """Records whose audit log is never loaded while ``is_hanging``."""

    is_hanging = True

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        if self.is_hanging:
            await asyncio.Event().wait()
        return await super().load_audit_log(guild_id, limit)


async def test_command_that_never_ends_is_ended_before_its_token_expires() -> None:
    async with (
        HangingRecords.open(IN_MEMORY) as records,
        running_bot(world=world_with_admin(), records=records) as chat,
    ):
        ada = chat.world.find_user("Ada").id
        chat.world.people.use_command(chat.general.id, ada, "audit")
        await wait_until(lambda: any(message.current_state.is_thinking for message in chat.bot_messages()))
        await asyncio.sleep(SUPERVISION_TIMEOUT - 3)
        assert not chat.ephemeral_messages()
        await wait_until(lambda: bool(chat.ephemeral_messages()))
        assert chat.ephemeral_messages()[0].current_state.content == NO_RESPONSE


async def test_command_that_has_ended_is_left_as_it_is() -> None:
    async with (
        HangingRecords.open(IN_MEMORY) as records,
        running_bot(world=world_with_admin(), records=records) as chat,
    ):
        records.is_hanging = False
        chat.world.people.use_command(chat.general.id, chat.world.find_user("Ada").id, "audit")
        message = await chat.wait_for_ephemeral()
        content = message.current_state.content
        await asyncio.sleep(SUPERVISION_TIMEOUT + 60)
        assert message.current_state.content == content
        assert len(chat.bot_messages()) == 1
