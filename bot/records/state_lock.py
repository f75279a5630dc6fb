"""Locks STATE_DIR, so that a second process on it is refused with a clear message."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from bot.errors import DocentError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LOCK_NAME: Final = "docent.lock"


@contextmanager
def lock_state_dir(state_dir: Path) -> Generator[None]:
    """Hold the lock while the block lasts; the operating system releases it if the process dies.

    Raises:
        DocentError: another process holds it, or the folder cannot be written.
    """
    path = state_dir / LOCK_NAME
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise DocentError(f"STATE_DIR {state_dir} cannot be written ({error.strerror}).") from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            owner = os.pread(descriptor, 20, 1).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
            raise DocentError(
                f"Another Docent process{f' (process id {owner})' if owner else ''} uses STATE_DIR {state_dir}. "
                "Stop it first, or give this one another STATE_DIR."
            ) from error
        os.ftruncate(descriptor, 0)
        # The first byte is the locked one on Windows, where nobody else can read it.
        os.write(descriptor, f" {os.getpid()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
