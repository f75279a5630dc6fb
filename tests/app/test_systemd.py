"""What systemd hears of the bot."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bot.app.systemd import report_to_systemd

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def notify_socket(path: str) -> Generator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path.replace("@", "\0", 1))
        listener.setblocking(False)
        yield listener


async def receive(listener: socket.socket) -> str:
    async with asyncio.timeout(10):
        return (await asyncio.get_running_loop().sock_recv(listener, 100)).decode()


@pytest.mark.parametrize("is_abstract", [False, True], ids=["in a folder", "abstract"])
async def test_systemd_hears_ready_and_stopping(tmp_path: Path, is_abstract: bool) -> None:
    address = f"@docent-{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    ready = asyncio.Event()

    async def wait_until_ready() -> None:
        await ready.wait()

    with notify_socket(address) as listener:
        async with report_to_systemd(wait_until_ready, {"NOTIFY_SOCKET": address}):
            await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                listener.recv(100)
            ready.set()
            assert await receive(listener) == "READY=1"
        assert await receive(listener) == "STOPPING=1"


async def test_watchdog_is_fed_before_and_after_the_bot_is_ready(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}
    with notify_socket(address) as listener:
        async with report_to_systemd(asyncio.Event().wait, environment):  # type: ignore[arg-type]  # returns True
            assert [await receive(listener) for _ in range(3)] == ["WATCHDOG=1"] * 3


async def test_nothing_is_sent_without_systemd() -> None:
    async with report_to_systemd(asyncio.Event().wait, {}):  # type: ignore[arg-type]  # as above
        pass
