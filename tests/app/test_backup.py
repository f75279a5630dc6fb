"""A backup taken while the bot writes is restored elsewhere and answers; nothing is replaced by accident."""

from __future__ import annotations

import asyncio
import io
import stat
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bot.app.backup import back_up, restore
from bot.app.library import open_library
from bot.app.terminal import Terminal
from bot.domain import Question, ReindexRequest
from bot.errors import DocentError
from bot.records import AnswerRecord, SqlRecords
from bot.records.state_lock import lock_state_dir
from bot.settings import list_setting_names, load

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def make_settings(folder: Path, state: str) -> Settings:
    return load(None, data_dir=folder / "documents", state_dir=folder / state, embed_model="none")


def make_terminal() -> tuple[Terminal, io.StringIO]:
    notices = io.StringIO()
    return Terminal(Console(file=notices, width=200), Console(file=io.StringIO())), notices


async def fill_index(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "refunds.md").write_text("# Refunds\n\nA refund takes fourteen days.\n")
    async with open_library(settings) as library:
        await library.reindex(ReindexRequest())


async def ask(settings: Settings) -> str:
    async with open_library(settings) as library:
        answer = await library.answer(Question("How long does a refund take?", answer_id="1"))
        return "".join([delta async for delta in answer.deltas()])


async def test_backup_taken_while_the_bot_writes_is_restored_and_answers(tmp_path: Path) -> None:
    settings, elsewhere = make_settings(tmp_path, "state"), make_settings(tmp_path, "restored")
    terminal, notices = make_terminal()
    await fill_index(settings)
    backup = tmp_path / "backup"
    with lock_state_dir(settings.state_dir):
        async with SqlRecords.open_file(settings.state_dir / "records.sqlite") as records:
            await records.save_answer(AnswerRecord("before", "How long?", 7, 8, 9, asked_at=1.0))

            async def keep_writing() -> None:
                for n in range(10_000):
                    await records.save_answer(AnswerRecord(str(n), "How long?", 7, 8, 9, asked_at=1.0))

            writing = asyncio.create_task(keep_writing())
            await back_up(settings, terminal, backup)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {
        "index.sqlite": 0o600,
        "records.sqlite": 0o600,
    }
    await restore(elsewhere, terminal, backup, force=False)
    assert "fourteen days" in await ask(elsewhere)
    async with SqlRecords.open_file(elsewhere.state_dir / "records.sqlite") as records:
        assert await records.load_answer("before") is not None
    assert "index.sqlite, records.sqlite" in notices.getvalue()


async def test_restore_replaces_files_only_with_force(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "state")
    terminal, _ = make_terminal()
    await fill_index(settings)
    await back_up(settings, terminal, tmp_path / "backup")
    (settings.data_dir / "refunds.md").write_text("# Refunds\n\nA refund takes ninety days.\n")
    async with open_library(settings) as library:
        await library.reindex(ReindexRequest())
    with pytest.raises(DocentError, match=r"index\.sqlite in STATE_DIR would be replaced.*--force"):
        await restore(settings, terminal, tmp_path / "backup", force=False)
    assert "ninety days" in await ask(settings)
    await restore(settings, terminal, tmp_path / "backup", force=True)
    assert "fourteen days" in await ask(settings)


async def test_restore_is_refused_while_a_bot_runs(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "state")
    terminal, _ = make_terminal()
    with lock_state_dir(settings.state_dir), pytest.raises(DocentError, match="Another Docent process"):
        await restore(settings, terminal, tmp_path, force=True)


async def test_backup_without_anything_to_copy_is_refused(tmp_path: Path) -> None:
    terminal, _ = make_terminal()
    with pytest.raises(DocentError, match="nothing to back up"):
        await back_up(make_settings(tmp_path, "state"), terminal, tmp_path / "backup")


async def test_backup_into_a_used_folder_is_refused(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "state")
    terminal, _ = make_terminal()
    await fill_index(settings)
    with pytest.raises(DocentError, match="is not empty"):
        await back_up(settings, terminal, tmp_path)


async def test_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "state")
    terminal, _ = make_terminal()
    await fill_index(settings)
    backup = tmp_path / "backup"
    await back_up(settings, terminal, backup)
    content = bytearray((backup / "index.sqlite").read_bytes())
    content[4096 : 4096 * 4] = b"\xff" * (4096 * 3)
    (backup / "index.sqlite").write_bytes(content)
    with pytest.raises(DocentError, match="damaged"):
        await restore(settings, terminal, backup, force=True)
    assert "fourteen days" in await ask(settings)


async def test_what_is_in_postgresql_is_left_to_pg_dump(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "state")
    await fill_index(settings)
    terminal, notices = make_terminal()
    on_server = settings.model_copy(
        update={"records_url": load(None, records_url="postgresql+asyncpg://a:b@127.0.0.1/c").records_url}
    )
    await back_up(on_server, terminal, tmp_path / "backup")
    assert "The records are in PostgreSQL: use pg_dump --schema=docent_records" in notices.getvalue()
