"""Tells systemd that the bot is ready, alive or stopping; does nothing where systemd did not ask."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

_MICROSECONDS = 1_000_000


@asynccontextmanager
async def report_to_systemd(
    wait_until_ready: Callable[[], Awaitable[None]], environment: Mapping[str, str] = os.environ
) -> AsyncGenerator[None]:
    """Send READY=1 once ready, WATCHDOG=1 while the event loop runs, and STOPPING=1 at the end of the block.

    ``environment`` holds NOTIFY_SOCKET and WATCHDOG_USEC, as sd_notify(3) describes them.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        yield
        return
    tasks = [asyncio.create_task(_report_ready(address, wait_until_ready))]
    if interval := int(environment.get("WATCHDOG_USEC", "0")) / _MICROSECONDS / 2:
        tasks.append(asyncio.create_task(_feed_watchdog(address, interval)))
    try:
        yield
    finally:
        _send(address, "STOPPING=1")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _report_ready(address: str, wait_until_ready: Callable[[], Awaitable[None]]) -> None:
    await wait_until_ready()
    _send(address, "READY=1")


async def _feed_watchdog(address: str, interval: float) -> None:
    while True:
        _send(address, "WATCHDOG=1")
        await asyncio.sleep(interval)


def _send(address: str, message: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        notify_socket.send(message.encode())
