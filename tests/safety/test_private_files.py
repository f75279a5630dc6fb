"""Whatever the bot writes is its own: no bit for the group or others, whatever the process's umask is."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bot.knowledge.evaluation import Evaluation, append_run
from bot.knowledge.ingestion.spool import Spool
from bot.knowledge.sources.web.page_cache import CachedPage, save_cached_page
from bot.records import SqlRecords
from bot.settings import list_setting_names
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's here")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@contextmanager
def clear_umask() -> Generator[None]:
    """A process whose umask takes nothing away."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def find_open_paths(folder: Path) -> dict[str, str]:
    """What in a folder, itself included, anybody but its owner may touch."""
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}
    return {str(path.relative_to(folder)): oct(mode) for path, mode in found.items() if mode & 0o077}


def test_files_open_to_others_are_detected(tmp_path: Path) -> None:
    (tmp_path / "private").touch(0o600)
    tmp_path.chmod(0o700)
    assert find_open_paths(tmp_path) == {}
    (tmp_path / "private").chmod(0o640)
    assert find_open_paths(tmp_path) == {"private": "0o640"}


async def test_index_spool_and_records_are_private(tmp_path: Path) -> None:
    with clear_umask():
        async with deploy(tmp_path, make_completion("Five days [1].")) as bot:
            await bot.ask_and_wait()
            during = find_open_paths(bot.settings.state_dir)
            names = {path.name for path in bot.settings.state_dir.rglob("*")}
        after = find_open_paths(bot.settings.state_dir)
    assert during == after == {}
    assert {"records.sqlite", "records.sqlite-wal", "index.sqlite"} <= names


async def test_the_records_are_private_in_a_folder_of_their_own(tmp_path: Path) -> None:
    with clear_umask():
        async with SqlRecords.open_file(tmp_path / "state" / "records.sqlite"):
            assert find_open_paths(tmp_path / "state") == {}


def test_the_spool_is_private(tmp_path: Path) -> None:
    with clear_umask(), Spool(tmp_path / "state" / "spool.sqlite") as spool:
        spool.put_fault("refunds.md", "digest", "It is empty.")
        assert (tmp_path / "state" / "spool.sqlite").exists()
        assert find_open_paths(tmp_path / "state") == {}


def test_evaluations_are_private(tmp_path: Path) -> None:
    log = tmp_path / "state" / "evaluations.jsonl"
    with clear_umask():
        append_run(log, Evaluation("questions.jsonl", 3, "none"), "2026-01-02T12:00:00Z")
        append_run(log, Evaluation("questions.jsonl", 4, "none"), "2026-01-03T12:00:00Z")
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2
    assert find_open_paths(log.parent) == {}


def test_evaluation_log_open_to_others_becomes_private_at_the_next_run(tmp_path: Path) -> None:
    log = tmp_path / "evaluations.jsonl"
    log.touch()
    log.chmod(0o666)
    append_run(log, Evaluation("questions.jsonl", 3, "none"), "2026-01-02T12:00:00Z")
    assert oct(stat.S_IMODE(log.stat().st_mode)) == "0o600"


def test_fetched_pages_are_private(tmp_path: Path) -> None:
    with clear_umask():
        save_cached_page(
            tmp_path / "pages", "https://wiki.example/", CachedPage("https://wiki.example/", ".html", b"<p>Hello")
        )
    assert list((tmp_path / "pages").iterdir())
    assert find_open_paths(tmp_path / "pages") == {}
