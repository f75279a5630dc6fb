"""Copies the index and the records to a folder while the bot runs, and back while it does not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bot.errors import DocentError
from bot.records.state_lock import lock_state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app.terminal import Terminal
    from bot.settings import Settings

INDEX: Final = "index.sqlite"
RECORDS: Final = "records.sqlite"


async def back_up(settings: Settings, terminal: Terminal, target: Path) -> None:
    """Copy the files of STATE_DIR to ``target``; a running bot goes on, and each copy is one state of its file.

    Raises:
        DocentError: There is nothing to copy, the target is not empty, or it cannot be written.
    """
    names = await asyncio.to_thread(_copy_all, settings, settings.state_dir, target)
    terminal.print_notice(f"Backed up to {target}: {', '.join(names)}.")
    for notice in _list_server_notices(settings):
        terminal.print_notice(notice)


async def restore(settings: Settings, terminal: Terminal, source: Path, *, force: bool) -> None:
    """Copy a backup into STATE_DIR; with ``force`` over what is there.

    Raises:
        DocentError: A bot runs on STATE_DIR, the backup is damaged or missing, or files would be replaced.
    """
    with lock_state_dir(settings.state_dir):
        names = await asyncio.to_thread(_restore_all, settings, source, force=force)
    terminal.print_notice(f"Restored into {settings.state_dir}: {', '.join(names)}.")
    for notice in _list_server_notices(settings):
        terminal.print_notice(notice)


def _list_local_names(settings: Settings) -> list[str]:
    return [
        *([INDEX] if settings.store_url is None else []),
        *([RECORDS] if settings.records_url is None else []),
    ]


def _list_server_notices(settings: Settings) -> list[str]:
    notices: list[str] = []
    if settings.store_backup:
        notices.append(f"The index is in {settings.store_name}: {settings.store_backup} (docs/operations.md).")
    if settings.records_url:
        notices.append("The records are in PostgreSQL: use pg_dump --schema=docent_records (docs/operations.md).")
    return notices


def _copy_all(settings: Settings, source: Path, target: Path) -> list[str]:
    names = [name for name in _list_local_names(settings) if (source / name).is_file()]
    if not names:
        raise DocentError(
            " ".join([f"There is nothing to back up in STATE_DIR {source}.", *_list_server_notices(settings)])
        )
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(target.iterdir()):
            raise DocentError(f"{target} is not empty. Choose a new folder for each backup.")
        for name in names:
            _copy_database(source / name, target / name)
    except (OSError, sqlite3.Error) as error:
        raise DocentError(f"Backing up to {target} failed: {_describe(error)}.") from error
    return names


def _restore_all(settings: Settings, source: Path, *, force: bool) -> list[str]:
    names = [name for name in _list_local_names(settings) if (source / name).is_file()]
    if not names:
        raise DocentError(f"{source} holds no backup: neither {INDEX} nor {RECORDS} is there.")
    existing = [name for name in names if (settings.state_dir / name).exists()]
    if existing and not force:
        raise DocentError(
            f"{' and '.join(existing)} in STATE_DIR would be replaced. Back them up first, then add --force."
        )
    try:
        for name in names:
            _copy_database(source / name, settings.state_dir / f"{name}.restoring")
        # Only now, when all copies are whole; the old write-ahead log must not be applied to the new file.
        for name in names:
            for side_file in (f"{name}-wal", f"{name}-shm"):
                (settings.state_dir / side_file).unlink(missing_ok=True)
            (settings.state_dir / f"{name}.restoring").replace(settings.state_dir / name)
    except (OSError, sqlite3.Error) as error:
        raise DocentError(f"Restoring from {source} failed: {_describe(error)}.") from error
    return names


def _copy_database(source: Path, target: Path) -> None:
    """Copy one state of a SQLite file, whoever writes it meanwhile, and check the copy."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        read.backup(written)
        written.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = written.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        target.unlink()
        raise DocentError(f"{source} is damaged ({verdict}); it was not copied.")


def _describe(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    name = str(getattr(error, "sqlite_errorname", type(error).__name__))
    return "disk full" if name == "SQLITE_FULL" else f"the file is damaged or not readable ({name})"
