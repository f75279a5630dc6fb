"""Finishes the messages that a killed process left unfinished; they are found by their Stop button."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.answers.status_lines import INTERRUPTED_NOTE, append_note
from bot.discord_adapter import answer_buttons
from bot.discord_adapter.answer_buttons import ButtonAction
from bot.discord_adapter.http import LIST_LIMIT, ChannelEndpoint, DiscordHttp, MessagePayload, map_errors
from bot.domain import AnswerStatus
from bot.errors import RecordsUnusable
from bot.streaming import SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import discord

    from bot.answers.service import AnswerService
    from bot.discord_adapter.http import Json
    from bot.records import AnswerRecord, Records
    from bot.streaming import Driver

_log = logging.getLogger(__name__)

_MAX_AGE = 24 * 3600.0
"""Seconds: answers that were asked for earlier are left as they are."""
_MAX_ANSWERS = 50
_MAX_TRIES = 3

_MAX_LISTS = 3
"""Lists of messages that are searched: an answer's last page comes soon after its question."""


@dataclass(frozen=True, slots=True)
class UnfinishedAnswers:
    """Finishes the answers that have no end in the records.

    ``clock`` returns Unix seconds.
    """

    client: discord.Client
    answer_service: AnswerService
    records: Records
    driver: Driver
    clock: Callable[[], float] = time.time

    async def finish_all(self, serves: Callable[[int | None], bool] = lambda _: True) -> None:
        """Append a closing note to each message, with a button to ask again.

        ``serves`` tells whether a guild, by its id, belongs to this process: the answers of others are their own.

        A message that the bot cannot find or edit is finished when somebody clicks its Stop button.
        """
        try:
            unfinished = await self.records.unfinished_answers(self.clock() - _MAX_AGE, _MAX_ANSWERS)
        except RecordsUnusable as error:
            _log.warning("Finishing interrupted answers failed: %s", error.user_message)
            return
        finished = [
            await self._finish(record)
            for record in unfinished
            if serves(record.guild_id) and not self.answer_service.is_writing(record.answer_id)
        ]
        if finished:
            _log.info("Interrupted answers: %d found, %d finished", len(finished), sum(finished))

    async def _finish(self, record: AnswerRecord) -> bool:
        messages = UnfinishedMessages(self.client, record.channel_id, answer_id=record.answer_id)
        for _ in range(_MAX_TRIES):
            try:
                return await self._finish_message(record, messages)
            except SurfaceBusy as error:
                await asyncio.sleep(error.retry_after)
            except SurfaceGone:
                return False
            except Exception:  # noqa: BLE001 - one that fails must not keep the others open
                _log.exception("Answer %s: finishing it after a restart failed", record.answer_id)
                return False
        return False

    async def _finish_message(self, record: AnswerRecord, messages: UnfinishedMessages) -> bool:
        found = await messages.find(answer_buttons.format_custom_id(ButtonAction.STOP, record.answer_id))
        if found is None:
            return False
        await self.driver.wait_for_edit_slot(messages.bucket)
        current = await self.answer_service.recall(record.answer_id)
        is_writing = self.answer_service.is_writing(record.answer_id)
        if current is None or current.status is not AnswerStatus.WRITING or is_writing:
            return False  # somebody has clicked its button meanwhile, or asked the question anew
        ended = replace(current, status=AnswerStatus.RESTARTING, ended_at=self.clock())
        await messages.finish(found, INTERRUPTED_NOTE, answer_buttons.build_final_buttons(ended))
        try:
            await self.records.save_answer(ended)
        except RecordsUnusable as error:
            _log.warning("Answer %s: storing failed: %s", record.answer_id, error.user_message)
        return True


@dataclass(frozen=True, slots=True)
class UnfinishedMessage:
    """A page that was being written: its message's id, and the text it shows."""

    message_id: int
    content: str


class UnfinishedMessages:
    """The messages of one answer that a killed process left in a channel, edited as the bot.

    ``answer_id`` is the id of the interaction or message that asked; the answer's messages come after it.
    """

    def __init__(self, client: discord.Client, channel_id: int, *, answer_id: str) -> None:
        self._answer_id = answer_id
        self._endpoint = ChannelEndpoint(DiscordHttp(client), channel_id, answer_id)

    @property
    def bucket(self) -> str:
        """The channel's rate-limit bucket, in which ``finish`` counts."""
        return self._endpoint.bucket

    async def find(self, custom_id: str) -> UnfinishedMessage | None:
        """Return the message with a button of this custom id, which only a page being written has.

        None if there is none, if the bot may not read the channel, or if only the asker sees it.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        after = int(self._answer_id)
        for _ in range(_MAX_LISTS):
            with map_errors():
                listed = await self._endpoint.list_messages_after(after)
            for message in listed:
                if custom_id in _iter_custom_ids(message):
                    return UnfinishedMessage(int(message["id"]), message["content"])
            if len(listed) < LIST_LIMIT:
                break
            after = max(int(message["id"]) for message in listed)
        return None

    async def finish(self, message: UnfinishedMessage, note: str, components: Sequence[Mapping[str, Any]]) -> None:
        """Append a note to the text, and set these buttons below it.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        with map_errors():
            await self._endpoint.edit(
                message.message_id, MessagePayload(append_note(message.content, note), components)
            )


def _iter_custom_ids(message: Json) -> Iterator[str]:
    """Yield the custom ids of a message's components."""
    return (str(part.get("custom_id")) for row in message.get("components", ()) for part in row.get("components", ()))
