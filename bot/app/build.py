"""The composition root: joins the parts into one App, for the server, the preview, the tests and the benchmarks."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.access.admission import ESTIMATED_TOKENS, Admission
from bot.access.budgets import Limits
from bot.access.collection_rules import Rules
from bot.access.scopes import Admins
from bot.admin.reindex_runs import PROGRESS_INTERVAL, ReindexRuns
from bot.admin.status import BuildInfo
from bot.answers.service import AnswerService
from bot.app.library import open_library_in_background
from bot.app.metrics import Metrics
from bot.app.version import read_version
from bot.discord_adapter import create_rate_limit_trace
from bot.discord_adapter.attachments import AttachmentReader
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.unfinished_messages import UnfinishedAnswers
from bot.discord_adapter.visibility import Visibility
from bot.errors import RecordsUnusable
from bot.records import IN_MEMORY, SqlRecords
from bot.settings import parse_ids
from bot.streaming import Deadlines, Driver, Pace, PageLimits, RateLimiter
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from cogs.audit import Audit
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
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from discord.ext import commands

    from bot.access.scopes import Rule
    from bot.domain import Answerer, Library
    from bot.records import Records
    from bot.settings import Settings

_log = logging.getLogger(__name__)

_DAY = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class App:
    """The joined parts of one bot; its client is not connected yet."""

    settings: Settings
    client: DocentClient
    driver: Driver
    answerer: Answerer
    library: Library
    records: Records
    visibility: Visibility
    admission: Admission
    answer_service: AnswerService
    reindex_runs: ReindexRuns
    rules: Rules
    build_info: BuildInfo
    metrics: Metrics


@asynccontextmanager
async def build(  # noqa: PLR0913 - everything that a test or a benchmark replaces, each by name
    settings: Settings,
    *,
    answerer: Answerer | None = None,
    library: Library | None = None,
    records: Records | None = None,
    load_rules: Callable[[], Awaitable[Mapping[str, Rule]]] | None = None,
    clock: Callable[[], float] = time.time,
    progress_interval: float = PROGRESS_INTERVAL,
) -> AsyncGenerator[App]:
    """Join the bot that the settings describe; it is usable while the block lasts.

    Args:
        settings: The operator's settings.
        answerer: Answers the questions; by default the library that the settings describe.
        library: Holds the documents; by default opened from the settings, and closed after the block.
        records: Stores answers and settings; by default opened from the settings, and closed after the block.
        load_rules: Returns the access rule of each collection; by default read from the documents' folder.
        clock: Returns the time in Unix seconds.
        progress_interval: Seconds between two updates of a re-index run's message.
    """
    async with AsyncExitStack() as stack:
        if records is None:
            records = await stack.enter_async_context(_open_records(settings, clock))
        if library is None:
            knowledge = await stack.enter_async_context(open_library_in_background(settings))
            library, answerer = knowledge, answerer or knowledge
        if answerer is None:
            raise TypeError("a library without an answerer")
        rate_limiter, metrics = RateLimiter(), Metrics()
        http_trace = create_rate_limit_trace(rate_limiter)
        metrics.trace_requests(http_trace)
        driver = Driver(
            rate_limiter,
            pace=Pace(min_interval=settings.edit_interval),
            page_limits=PageLimits(max_pages=settings.answer_pages),
            deadlines=Deadlines(first_delta=settings.model_patience),
        )
        admission = Admission(
            records,
            limits=_build_limits(settings),
            question_characters=settings.question_characters,
            estimate=ESTIMATED_TOKENS if settings.has_model else 0,
            clock=clock,
        )
        await admission.open()
        answer_service = AnswerService(
            answerer,
            driver,
            records,
            limit=settings.concurrent_answers,
            admission=admission,
            clock=clock,
            on_end=metrics.observe_answer,
        )
        reindex_runs = ReindexRuns(library, driver, records, interval=progress_interval, clock=clock)
        rules = Rules(settings.data_dir)
        visibility = Visibility(
            load_rules or rules.load,
            Admins(parse_ids(settings.admin_users), parse_ids(settings.admin_roles)),
        )

        async def recover(client: DocentClient) -> None:
            """Finish what a killed process left: half-written answers, and a run that was cut off."""
            unfinished = UnfinishedAnswers(client, answer_service, records, driver, clock)
            await asyncio.gather(unfinished.finish_all(client.serves), reindex_runs.resume(client, client.serves))

        client = DocentClient(
            cogs=lambda client: _create_cogs(app, client, clock),  # pyright: ignore[reportUnknownLambdaType] - app is made below
            driver=driver,
            http_trace=http_trace,
            reads_messages=settings.message_content,
            once_ready=recover,
            before_close=reindex_runs.suspend,
            proxy=settings.discord_proxy,
            shard_count=settings.shard_count,
            shard_ids=settings.own_shards,
        )
        app = App(
            settings=settings,
            client=client,
            driver=driver,
            answerer=answerer,
            library=library,
            records=records,
            visibility=visibility,
            admission=admission,
            answer_service=answer_service,
            reindex_runs=reindex_runs,
            rules=rules,
            build_info=_collect_build_info(settings, records),
            metrics=metrics,
        )
        yield app


def _create_cogs(app: App, client: DocentClient, clock: Callable[[], float]) -> Sequence[commands.Cog]:
    """Create every cog there is: the only list of them."""
    settings, service, records, visibility = app.settings, app.answer_service, app.records, app.visibility
    guild_settings, library = app.admission.guild_settings, app.library
    attachments = AttachmentReader(
        library,
        reads_images=settings.llm_vision and settings.has_model,
        per_person=settings.files_per_person,
        per_server=settings.files_per_server,
    )
    options = MentionOptions(
        direct_messages=settings.direct_messages,
        follows_edits=settings.follow_edits,
        follows_deletions=settings.follow_deletions,
        crowd=settings.crowded_channel,
        bots=frozenset(name.strip() for name in settings.allowed_bots.split(",") if name.strip()),
    )
    return [
        Ask(service, visibility, guild_settings, attachments, in_direct_messages=settings.direct_messages),
        Answers(service, records, visibility, guild_settings, clock=clock),
        ContextMenus(service, visibility, guild_settings, attachments),
        Mentions(service, client, visibility, guild_settings, attachments, options=options, clock=clock),
        Forums(
            service,
            client,
            visibility,
            guild_settings,
            app.answerer,
            follows_edits=settings.follow_edits,
            clock=clock,
        ),
        Meta(library),
        Reindex(app.reindex_runs, records, visibility, clock=clock),
        Docs(library, records, visibility, clock=clock),
        GuildSettingsCog(app.admission, records, visibility, reads_messages=settings.message_content, clock=clock),
        Gaps(records, visibility, library.embed, keeps_questions=settings.remember_questions, clock=clock),
        Feedback(records, visibility, clock=clock),
        Audit(records, visibility),
        Privacy(service, records, visibility, clock=clock),
        Status(
            app.build_info,
            library,
            service,
            admission=app.admission,
            records=records,
            visibility=visibility,
            find_rule_faults=app.rules.find_faults,
            clock=clock,
        ),
    ]


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


def _collect_build_info(settings: Settings, records: Records) -> BuildInfo:
    """Name the models and stores for /status; of an address only the host, so that no key is shown."""
    language_model = "no model: the documents are quoted"
    if settings.has_model:
        language_model = f"{settings.llm_model} at {urlsplit(settings.model_url).netloc}"
    embedding_model = {
        "none": "nothing: keywords only",
        "local": "a small model on this machine",
        "multilingual": "small models on this machine",
    }.get(settings.embedding, f"{settings.embedding} at {urlsplit(settings.embedding_url).netloc}")
    return BuildInfo(
        version=read_version(),
        language_model=language_model,
        embedding_model=embedding_model,
        index=settings.store_name,
        records=records.backend,
    )


@asynccontextmanager
async def _open_records(settings: Settings, clock: Callable[[], float]) -> AsyncGenerator[Records]:
    """Open the records and delete expired ones daily; if they cannot be opened, keep records in memory."""
    async with AsyncExitStack() as stack:
        records: Records
        try:
            keeps_texts = settings.remember_questions
            opening = (
                SqlRecords.open_file(settings.state_dir / "records.sqlite", keeps_texts=keeps_texts)
                if settings.records_url is None
                else SqlRecords.open(settings.records_url.get_secret_value(), keeps_texts=keeps_texts)
            )
            records = await stack.enter_async_context(opening)
        except RecordsUnusable as error:
            _log.error(
                "Records failed to open: %s Until the restart they are kept in memory, and buttons below answers "
                "work only until then.",
                error.user_message,
            )
            records = await stack.enter_async_context(SqlRecords.open(IN_MEMORY))
        deleting = asyncio.create_task(_delete_expired_daily(records, settings.remember_days, clock))
        try:
            yield records
        finally:
            deleting.cancel()
            await asyncio.gather(deleting, return_exceptions=True)


async def _delete_expired_daily(records: Records, days: int, clock: Callable[[], float]) -> None:
    while True:
        try:
            count = await records.delete_expired(clock() - days * _DAY, now=clock())
            if count:
                _log.info("Deleted %d answers older than %d days from the records", count, days)
        except RecordsUnusable as error:
            _log.warning("Deleting expired records failed, next try in a day: %s", error.user_message)
        await asyncio.sleep(_DAY)
