"""``migrate-store``: a backup is one command, and so is the way back."""

from __future__ import annotations

import pytest

from bot import __main__ as command_line
from bot.settings import load
from tests.fakes.command_line import run_command

pytestmark = pytest.mark.usefixtures("command_line_folder")


def test_a_backup_is_made_and_brought_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, "reindex") == 0
    assert run_command(monkeypatch, "migrate-store", "--to", "backup/index.sqlite") == 0
    assert "Copied: 2 documents, 3 passages, 0 of them with a vector." in capsys.readouterr().out
    monkeypatch.setenv("STATE_DIR", "elsewhere")
    source, target = "backup/index.sqlite", "elsewhere/index.sqlite"
    assert run_command(monkeypatch, "migrate-store", "--from", source, "--to", target) == 0
    assert run_command(monkeypatch, "ask", "How long does a refund take?") == 0
    assert "five working days" in capsys.readouterr().out


def test_second_backup_to_the_same_path_needs_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "reindex") == 0
    copy = ("migrate-store", "--to", "copy.sqlite")
    assert [run_command(monkeypatch, *copy, *force) for force in ([], [], ["--force"])] == [0, 1, 0]
    assert "--force replaces it" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["postgres://u:pw@host/db", "postgresql+asyncpg://host", "sqlite:///index"])
def test_unknown_store_kind_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("STORE_URL", url)
    assert run_command(monkeypatch, "reindex") == command_line.EXIT_SETTINGS
    said = capsys.readouterr().err
    assert "STORE_URL is not the address of a PostgreSQL database" in said
    assert "u:pw" not in said


def test_the_address_of_the_store_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+asyncpg://docent:pa55word@db.example/docent"
    monkeypatch.setenv("STORE_URL", url)
    chosen = load()
    assert chosen.store_location == url
    assert url in chosen.secrets
    assert "pa55word" not in repr(chosen)
