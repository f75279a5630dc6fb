"""Connects the bot to Discord, or to the simulator behind the preview page, until it is told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import webbrowser
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bot.app.build import build
from bot.app.metrics import serve_metrics
from bot.app.reading import keep_index_current
from bot.app.systemd import report_to_systemd
from bot.discord_adapter.client import GRACE, set_discord_urls
from bot.errors import DocentError
from bot.preview.page import PreviewPage
from bot.records.state_lock import lock_state_dir
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import MESSAGE_CONTENT_INTENT

if TYPE_CHECKING:
    from collections.abc import Generator

    from bot.app.terminal import Terminal
    from bot.settings import Settings

_log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.001
"""Seconds for which a thread keeps Python's lock from the event loop. With Python's own 0.005 a search among 100,000
passages made the loop 24 ms late at worst, and with this 15."""

_SAME_SIGNAL_WINDOW = 1.0
"""Seconds in which a second signal counts as the first: some supervisors signal the process and its group."""

STOP_TIMEOUT = 45.0
"""Seconds from a signal to the process's end, whatever still waits; systemd allows 90. Usually it takes one to four."""

_SAMPLE_QUESTIONS = {
    "people/time-off.md": "How many days of paid holiday do we have a year?",
    "running/deploy-runbook.md": "What is the command to roll back a deploy?",
    "refunds.md": "Who may approve a refund of more than 1,000 euros?",
    "running/on-call.md": "How long does an on-call shift last?",
}
"""Questions that the preview page suggests, by the sample document that answers each."""


async def serve(settings: Settings, *, stop: asyncio.Event | None = None) -> None:
    """Connect to Discord and answer questions until a signal arrives or ``stop`` is set.

    Args:
        settings: The operator's settings.
        stop: Ends the bot when it is set.

    Raises:
        SettingsInvalid: There is no token, or Discord does not accept it.
        StoreUnusable: The index cannot be opened.
    """
    token = settings.require_token().get_secret_value()
    sys.setswitchinterval(SWITCH_INTERVAL)
    set_discord_urls(settings.discord_api_url, settings.discord_gateway_url)
    if settings.proxies.hosts:
        _log.info(
            "Requests go through the HTTP proxy %s; private addresses are reached directly",
            " and ".join(settings.proxies.hosts),
        )
    stop = stop or asyncio.Event()
    with lock_state_dir(settings.state_dir):
        await _serve(settings, token, stop=stop)


async def _serve(settings: Settings, token: str, *, stop: asyncio.Event) -> None:
    async with (
        build(settings) as app,
        keep_index_current(app.library, settings.data_dir, stop, is_watching=settings.watch),
    ):
        try:
            async with AsyncExitStack() as stack:
                if settings.metrics_port is not None:
                    await stack.enter_async_context(serve_metrics(app, settings.metrics_host, settings.metrics_port))
                await stack.enter_async_context(report_to_systemd(app.client.wait_until_connected))
                await app.client.run_until(stack.enter_context(_stop_on_signals(stop)), token)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await app.answer_service.wait_until_done()


async def preview(
    settings: Settings, terminal: Terminal, *, port: int, open_browser: bool, stop: asyncio.Event | None = None
) -> None:
    """Run the bot against a simulated Discord on this machine, with a web page to talk to it."""
    async with DiscordSimulator() as simulator:
        # There is no developer portal here to enable it in, and MESSAGE_CONTENT can be tried all the same.
        simulator.world.enabled_intents = MESSAGE_CONTENT_INTENT
        suggestions = [q for document, q in _SAMPLE_QUESTIONS.items() if (settings.data_dir / document).is_file()]
        page = PreviewPage(simulator.world, viewer=simulator.world.find_user("Ada"), suggestions=suggestions)
        simulated = settings.model_copy(
            update={
                "discord_token": SecretStr(simulator.world.token),
                "discord_api_url": simulator.api_url,
                "discord_gateway_url": simulator.gateway_url,
            }
        )
        try:
            async with page.serve(port=port) as url:
                terminal.print_notice(f"The preview runs at {url}\nCtrl+C ends it.")
                if open_browser and _has_desktop():
                    await asyncio.to_thread(webbrowser.open, url)
                await serve(simulated, stop=stop)
        except OSError as error:
            raise DocentError(f"Port {port} on 127.0.0.1 is not available ({error.strerror}). Try --port 0.") from error


@contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Generator[asyncio.Event]:
    """Set ``stop`` on SIGINT or SIGTERM; a later second signal ends the process at once.

    If the process is still there after ``STOP_TIMEOUT``, it prints what its threads wait for and ends with exit code 1.
    """
    loop = asyncio.get_running_loop()
    first_until = 0.0

    def handle_signal() -> None:
        nonlocal first_until
        if not stop.is_set():
            _log.info("Stopping: open answers are being finished")
            first_until = loop.time() + _SAME_SIGNAL_WINDOW
            faulthandler.dump_traceback_later(STOP_TIMEOUT, exit=True)
            stop.set()
        elif loop.time() >= first_until:
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
    """Return whether a browser would open a window rather than take over this terminal."""
    return sys.stdout.isatty() and (sys.platform in {"darwin", "win32"} or "DISPLAY" in os.environ)
