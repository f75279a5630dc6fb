"""Runs ``python -m bot …`` inside the test's process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bot import __main__ as command_line

if TYPE_CHECKING:
    import pytest


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["python -m bot", *arguments])
    try:
        command_line.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
