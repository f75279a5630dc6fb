"""What the tests of commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.settings import list_setting_names
from tests.fakes.deployment import write_documents

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def command_line_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own with two documents, searched by keywords, and without any other setting."""
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(write_documents(tmp_path))
    monkeypatch.setenv("DATA_DIR", "documents")
    monkeypatch.setenv("STATE_DIR", "state")
    monkeypatch.setenv("EMBED_MODEL", "none")
    return tmp_path
