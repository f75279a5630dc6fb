"""A second process on one STATE_DIR is refused; a process that died leaves no lock behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import DocentError
from bot.records.state_lock import LOCK_NAME, lock_state_dir

ROOT = Path(__file__).parents[2]
HOLD_SCRIPT = """
import sys
from pathlib import Path
from bot.records.state_lock import lock_state_dir

with lock_state_dir(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_second_process_is_refused_with_the_first_ones_id_until_it_dies(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    command = [sys.executable, "-c", HOLD_SCRIPT, str(state_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        message = rf"Another Docent process \(process id {process.pid}\) uses STATE_DIR .*another STATE_DIR"
        with pytest.raises(DocentError, match=message), lock_state_dir(state_dir):
            pass
        process.kill()
    with lock_state_dir(state_dir):
        assert (state_dir / LOCK_NAME).read_text().strip() == str(os.getpid())


def test_lock_is_released_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with lock_state_dir(tmp_path):
            pass


def test_state_dir_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DocentError, match="cannot be written"), lock_state_dir(tmp_path / "file" / "state"):
        pass
