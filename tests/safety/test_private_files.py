"""Whatever the bot writes is its own: no bit for the group or others, whatever the process's umask is."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bot.settings import setting_names
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's here")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


@contextmanager
def unmasked() -> Generator[None]:
    """A process whose umask takes nothing away."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(folder: Path) -> dict[str, str]:
    """What in a folder, itself included, anybody but its owner may touch."""
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}
    return {str(path.relative_to(folder)): oct(mode) for path, mode in found.items() if mode & 0o077}


async def test_index_spool_and_records_are_private(tmp_path: Path) -> None:
    with unmasked():
        async with deployed(tmp_path, spoken("Five days [1].")) as bot:
            await bot.answered()
            during = open_to_others(bot.settings.state_dir)
            names = {path.name for path in bot.settings.state_dir.rglob("*")}
        after = open_to_others(bot.settings.state_dir)
    assert during == after == {}
    assert {"records.sqlite"} <= names
    assert len(names) > 1
