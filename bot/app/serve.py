"""The bot as it serves: every room joined to the others, on Discord or on the stand-in for it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
import tomllib
import webbrowser
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.access.admission import ESTIMATED_TOKENS, Admission
from bot.access.budgets import Limits
from bot.access.collection_rules import Rules
from bot.access.scopes import Admins
from bot.admin.reindex_runs import ReindexRuns
from bot.admin.status import BuildInfo
from bot.answers.service import AnswerService
from bot.app.library import open_library
from bot.discord_adapter import create_rate_limit_trace
from bot.discord_adapter.client import GRACE, DocentClient, set_discord_urls
from bot.discord_adapter.unfinished_messages import UnfinishedAnswers
from bot.discord_adapter.visibility import Visibility
from bot.errors import DocentError, RecordsUnusable
from bot.preview.page import PreviewPage
from bot.records import MemoryRecords, SqlRecords
from bot.settings import parse_ids
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import MESSAGE_CONTENT_INTENT
from bot.streaming import Deadlines, Driver, Pace, PageLimits, RateLimiter
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from cogs.context_menus import ContextMenus
from cogs.docs import Docs
from cogs.feedback import Feedback
from cogs.forget import Privacy
from cogs.forums import Forums
from cogs.gaps import Gaps
from cogs.mentions import MentionOptions, Mentions
from cogs.reindex import Reindex
from cogs.settings import GuildSettingsCog
from cogs.status import Meta, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    import discord

    from bot.app.library import LazyLibrary
    from bot.app.terminal import Terminal
    from bot.records import Records
    from bot.settings import Settings

_log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.001
"""Seconds for which a thread keeps Python's lock from the event loop. With Python's own 0.005 a search among 100,000
passages made the loop 24 ms late at worst, and with this 15."""

_DAY = 24 * 60 * 60.0
_SAME_SIGNAL_WINDOW = (
    1.0  # seconds in which a signal that comes again is the same one: some supervisors tell process and group
)

_SAMPLE_QUESTIONS = {
    "people/time-off.md": "How many days of paid holiday do we have a year?",
    "running/deploy-runbook.md": "What is the command to roll back a deploy?",
    "refunds.md": "Who may approve a refund of more than 1,000 euros?",
    "running/on-call.md": "How long does an on-call shift last?",
}
"""What the preview offers to ask, by the sample document that answers it; nothing where the documents are others."""


async def serve(settings: Settings, *, always_ingest: bool = False, stop: asyncio.Event | None = None) -> None:
    """Connect to Discord and answer until told to stop, by a signal or by ``stop``.

    With an empty index the documents are read in the background; with ``always_ingest`` whatever has changed is.

    Raises:
        SettingsInvalid: there is no token, or Discord does not accept it.
    """
    token = settings.require_token().get_secret_value()
    sys.setswitchinterval(SWITCH_INTERVAL)
    lanes = RateLimiter()
    driver = Driver(
        lanes,
        pace=Pace(min_interval=settings.edit_interval),
        page_limits=PageLimits(max_pages=settings.answer_pages),
        deadlines=Deadlines(first_delta=settings.model_patience),
    )
    set_discord_urls(settings.discord_api_url, settings.discord_gateway_url)
    async with open_library(settings) as library, _open_records(settings) as records:
        admission = Admission(
            records,
            limits=_build_limits(settings),
            question_characters=settings.question_characters,
            estimate=ESTIMATED_TOKENS if settings.has_model else 0,
        )
        await admission.open()
        guild_settings = admission.guild_settings
        asking = AnswerService(library, driver, records, limit=settings.concurrent_answers, admission=admission)
        reindexing = ReindexRuns(library, driver, records)
        rules = Rules(settings.data_dir)
        visibility = Visibility(rules.load, Admins(parse_ids(settings.admin_users), parse_ids(settings.admin_roles)))
        manners = MentionOptions(
            direct_messages=settings.direct_messages,
            follows_edits=settings.follow_edits,
            follows_deletions=settings.follow_deletions,
            crowd=settings.crowded_channel,
            bots=frozenset(name.strip() for name in settings.allowed_bots.split(",") if name.strip()),
        )
        client = DocentClient(
            cogs=[
                Ask(asking, visibility, guild_settings, library, in_direct_messages=settings.direct_messages),
                Answers(asking, records, visibility, guild_settings),
                ContextMenus(asking, visibility, guild_settings),
                lambda client: Mentions(asking, client, visibility, guild_settings, library, options=manners),
                lambda client: Forums(
                    asking, client, visibility, guild_settings, library, follows_edits=settings.follow_edits
                ),
                Meta(library),
                Reindex(reindexing, records, visibility),
                Docs(library, records, visibility),
                GuildSettingsCog(admission, records, visibility, reads_messages=settings.message_content),
                Gaps(records, visibility, library.embed, keeps_questions=settings.remember_questions),
                Feedback(records, visibility),
                Privacy(asking, records, visibility),
                Status(
                    _collect_build_info(settings, records),
                    library,
                    asking,
                    admission=admission,
                    records=records,
                    visibility=visibility,
                ),
            ],
            driver=driver,
            http_trace=create_rate_limit_trace(lanes),
            reads_messages=settings.message_content,
            once_ready=lambda client: _recover_unfinished(
                UnfinishedAnswers(client, asking, records, driver), client, reindexing
            ),
            before_close=reindexing.suspend,
        )
        ingesting = asyncio.create_task(_ingest_at_start(library, always=always_ingest))
        try:
            with _stop_on_signals(stop or asyncio.Event()) as stopping:
                await client.run_until(stopping, token)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await asking.wait_until_done()
            ingesting.cancel()
            await asyncio.gather(ingesting, return_exceptions=True)


async def preview(
    settings: Settings, terminal: Terminal, *, port: int, open_browser: bool, stop: asyncio.Event | None = None
) -> None:
    """Serve a simulated Discord on this machine, the real bot connected to it, and a page to watch it."""
    async with DiscordSimulator() as standin:
        # Whatever the operator has chosen can be tried: there is no portal to switch it on in.
        standin.world.enabled_intents = MESSAGE_CONTENT_INTENT
        suggestions = [q for document, q in _SAMPLE_QUESTIONS.items() if (settings.data_dir / document).is_file()]
        page = PreviewPage(standin.world, viewer=standin.world.find_user("Ada"), suggestions=suggestions)
        pointed = settings.model_copy(
            update={
                "discord_token": SecretStr(standin.world.token),
                "discord_api_url": standin.api_url,
                "discord_gateway_url": standin.gateway_url,
            }
        )
        try:
            async with page.serve(port=port) as url:
                terminal.print_notice(f"The preview runs at {url}\nCtrl+C ends it.")
                if open_browser and _has_desktop():
                    await asyncio.to_thread(webbrowser.open, url)
                await serve(pointed, always_ingest=True, stop=stop)
        except OSError as error:
            raise DocentError(f"Port {port} on 127.0.0.1 cannot be had ({error.strerror}). Try --port 0.") from error


async def _recover_unfinished(
    unfinished_answers: UnfinishedAnswers, client: discord.Client, reindex_runs: ReindexRuns
) -> None:
    """Deal with what a process that went down has left: half-written answers, and a run cut off."""
    await asyncio.gather(unfinished_answers.finish_all(), reindex_runs.resume(client))


def _read_version() -> str:
    """The version as the project's own file says it; Docent runs from its folder and is never installed."""
    try:
        written = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(written)["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "of unknown version"


def _collect_build_info(settings: Settings, records: Records) -> BuildInfo:
    """What the bot is made of, in words that hold no key: of an address only its host is said."""
    writes = "no model: the documents are quoted"
    if settings.has_model:
        writes = f"{settings.llm_model} at {urlsplit(settings.model_url).netloc}"
    embeds = {"none": "nothing: keywords only", "local": "a small model on this machine"}.get(
        settings.embedding, f"{settings.embedding} at {urlsplit(settings.embedding_url).netloc}"
    )
    kept = "PostgreSQL" if settings.records_url else "a SQLite file"
    return BuildInfo(
        version=_read_version(),
        language_model=writes,
        embedding_model=embeds,
        index="PostgreSQL" if settings.store_url else "a SQLite file",
        records="memory, until the restart" if isinstance(records, MemoryRecords) else kept,
    )


def _build_limits(settings: Settings) -> Limits:
    return Limits(
        per_minute=settings.questions_per_minute,
        guild_per_minute=settings.server_questions_per_minute,
        total_per_minute=settings.total_questions_per_minute,
        at_once=settings.answers_per_person,
        guild_at_once=settings.answers_per_server,
        person_daily=settings.tokens_per_person,
        guild_daily=settings.tokens_per_server,
        total_daily=settings.tokens_per_day,
    )


@asynccontextmanager
async def _open_records(settings: Settings) -> AsyncGenerator[Records]:
    """The records, without what is too old; where they cannot be opened, what is remembered lasts until the restart."""
    async with AsyncExitStack() as stack:
        records: Records
        try:
            keeps = settings.remember_questions
            opening = (
                SqlRecords.open_file(settings.state_dir / "records.sqlite", keeps_texts=keeps)
                if settings.records_url is None
                else SqlRecords.open(settings.records_url.get_secret_value(), keeps_texts=keeps)
            )
            records = await stack.enter_async_context(opening)
        except RecordsUnusable as error:
            _log.error("%s Buttons below answers will work until the bot is restarted.", error.user_message)
            records = MemoryRecords()
        forgetting = asyncio.create_task(_delete_expired_daily(records, settings.remember_days))
        try:
            yield records
        finally:
            forgetting.cancel()
            await asyncio.gather(forgetting, return_exceptions=True)


async def _delete_expired_daily(records: Records, days: int) -> None:
    while True:
        try:
            count = await records.delete_before(time.time() - days * _DAY)
            if count:
                _log.info("Records: %d answers older than %d days are forgotten", count, days)
        except RecordsUnusable as error:
            _log.warning("%s Nothing was forgotten.", error.user_message)
        await asyncio.sleep(_DAY)


async def _ingest_at_start(library: LazyLibrary, *, always: bool) -> None:
    try:
        if always or not (await library.state()).documents:
            report = await library.reindex()
            _log.info(
                "Documents read: %d new, %d changed, %d removed, %d unchanged, %d passed over",
                *(len(report.new), len(report.changed), len(report.removed), report.unchanged, len(report.failed)),
            )
            for document, reason in report.failed.items():
                _log.warning("Passed over %s: %s", document, reason)
    except DocentError as error:
        _log.error("The documents were not read: %s", error.user_message)


@contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Generator[asyncio.Event]:
    """SIGINT and SIGTERM set the event; another one ends the process at once, unless it comes with the first."""
    loop = asyncio.get_running_loop()
    patient_until = 0.0

    def handle_signal() -> None:
        nonlocal patient_until
        if not stop.is_set():
            _log.info("Stopping: open answers are being finished")
            patient_until = loop.time() + _SAME_SIGNAL_WINDOW
            stop.set()
        elif loop.time() >= patient_until:
            os._exit(1)

    signals = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, handle_signal)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _has_desktop() -> bool:
    """Whether opening a browser would show a window, and not take over this terminal."""
    return sys.stdout.isatty() and (sys.platform in {"darwin", "win32"} or "DISPLAY" in os.environ)
