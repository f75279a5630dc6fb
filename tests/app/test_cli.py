"""The command line: what each command does, what it says when it cannot, and with which status it ends."""

from __future__ import annotations

import asyncio
import gc
import io
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from rich.console import Console

from bot import __main__ as command_line
from bot.app.library import open_knowledge_base
from bot.app.serve import preview
from bot.app.terminal import Terminal
from bot.errors import DocentError
from bot.settings import load
from tests.fakes.command_line import run_command
from tests.fakes.openai_server import OpenAIServer, StreamEnd, make_completion, make_invalid_key_error

if TYPE_CHECKING:
    from tests.fakes.openai_server import Script


pytestmark = pytest.mark.usefixtures("command_line_folder")


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("preview", "ask", "reindex", "doctor", ".env.example"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fast"], "No such option: --fast"),
        (["reindex", "--dryrun"], "No such option: --dryrun"),
        (["asks"], "No such command 'asks'"),
        (["ask"], "Missing argument"),
        (["preview", "--port", "x"], "Invalid value for"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert run_command(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "Traceback" not in said


def test_invalid_settings_are_all_reported_with_status_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    monkeypatch.setenv("EDIT_INTERVAL", "soon")
    assert run_command(monkeypatch) == 78
    said = capsys.readouterr().err
    assert "OPENAI_BASE_URL is not an http or https address" in said
    assert "EDIT_INTERVAL is not a number" in said
    assert "DISCORD_TOKEN is missing" in said


def test_the_missing_token_is_named_with_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch) == 78
    assert re.search(r"DISCORD_TOKEN is missing\. .*Reset Token", capsys.readouterr().err)


def test_reindex_says_what_would_change_then_changes_it_then_finds_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "reindex", "--dry-run") == 0
    assert re.search(r"This would change\s+new\s+2\s+kitchen\.md, refunds\.md", capsys.readouterr().out)
    assert run_command(monkeypatch, "reindex") == 0
    assert re.search(r"Done\s+new\s+2", capsys.readouterr().out)
    assert run_command(monkeypatch, "reindex") == 0
    assert re.search(r"new\s+0\s+changed\s+0\s+removed\s+0\s+unchanged\s+2", capsys.readouterr().out)


def test_missing_folder_is_refused_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", "elsewhere")
    assert run_command(monkeypatch, "reindex") == 1
    said = capsys.readouterr().err
    assert "elsewhere" in said
    assert "Traceback" not in said


def test_ask_builds_an_empty_index_and_quotes_without_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "ask", "When does the dishwasher run?") == 0
    shown = capsys.readouterr().out
    assert "No model is set: quoting your documents" in shown
    assert "The dishwasher runs at six in the evening." in shown
    assert "[1] Kitchen" in shown


@pytest.mark.parametrize("question", ["", "  ", "why " * 550])
def test_ask_refuses_what_is_no_question_before_it_opens_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, question: str
) -> None:
    assert run_command(monkeypatch, "ask", question) == 1
    assert "between 1 and 2,000 characters" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


QUESTIONS = """
{"question": "When does the dishwasher run?", "source": "kitchen.md", "answers": ["at six"]}
{"question": "Who signs large refunds?", "source": "refunds.md"}
"""


def test_evaluate_prints_scores_and_latency_beside_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set.jsonl").write_text(QUESTIONS, encoding="utf-8")
    assert run_command(monkeypatch, "reindex") == 0
    assert run_command(monkeypatch, "evaluate", "set.jsonl") == 0
    first = capsys.readouterr().out
    assert re.search(r"set\.jsonl: 2 questions, embedding none", first)
    assert re.search(r"keywords +1\.000 +1\.000 +1\.000 +1\.000 +[01]\.\d{3} +[01]\.\d{3} +\d+ ms", first)
    assert "previous run" not in first

    (tmp_path / "documents" / "kitchen.md").write_text("# Zoo\n\nZebras sing.\n", encoding="utf-8")
    assert run_command(monkeypatch, "reindex") == 0
    assert run_command(monkeypatch, "evaluate", "set.jsonl") == 0
    second = capsys.readouterr().out
    assert "previous run" in second
    assert re.search(r"keywords +0\.500 .*\n +\(-0\.500\)", second)


def test_evaluate_with_a_folder_of_its_own_leaves_the_index_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "zoo.md").write_text("# Zoo\n\nThe zebra sings.\n", encoding="utf-8")
    (tmp_path / "set.jsonl").write_text('{"question": "Which animal sings?", "source": "zoo.md"}', encoding="utf-8")
    assert run_command(monkeypatch, "evaluate", "set.jsonl", "--documents", "other") == 0
    assert "1.000" in capsys.readouterr().out
    assert not (tmp_path / "state" / "index.sqlite").exists()
    assert (tmp_path / "state" / "evaluations.jsonl").exists()


def test_evaluate_names_a_line_it_cannot_read_and_a_document_it_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set.jsonl").write_text("nonsense", encoding="utf-8")
    assert run_command(monkeypatch, "evaluate", "set.jsonl") == 1
    assert "set.jsonl, line 1" in capsys.readouterr().err
    (tmp_path / "set.jsonl").write_text(QUESTIONS, encoding="utf-8")
    assert run_command(monkeypatch, "evaluate", "set.jsonl") == 1
    assert "kitchen.md, refunds.md cannot be searched" in capsys.readouterr().err


@pytest.mark.parametrize("question", ["", "   ", "x" * 2_001])
def test_invalid_question_is_reported_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    assert run_command(monkeypatch, "ask", question) == 1
    assert "question" in capsys.readouterr().err


async def run_ask(monkeypatch: pytest.MonkeyPatch, script: Script) -> int:
    """The status of a question to a scripted model."""
    async with OpenAIServer(script) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        monkeypatch.setenv("LLM_MODEL", "fake")
        return await asyncio.to_thread(run_command, monkeypatch, "ask", "How long does a refund take?")


async def test_ask_lets_a_model_write(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_ask(monkeypatch, make_completion("Five working days [1].")) == 0
    shown = capsys.readouterr().out
    assert "Five working days [1]." in shown
    assert "https://wiki.example/refunds" in shown


async def test_failing_model_is_reported_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_ask(monkeypatch, make_invalid_key_error()) == 1
    assert "key" in capsys.readouterr().err


async def test_text_before_a_model_failure_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_ask(monkeypatch, make_completion("Five working", end=StreamEnd.RESET)) == 1
    assert "Five working" in capsys.readouterr().out


def test_doctor_exits_with_status_1_if_a_check_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "doctor") == 1
    shown = capsys.readouterr()
    assert "no token" in shown.out
    assert "checks failed" in shown.err


@pytest.mark.parametrize("reads_messages", ["false", "true"], ids=["without intent", "with intent"])
async def test_the_preview_answers_in_its_page_and_the_bot_is_there(reads_messages: str) -> None:
    output, stop = io.StringIO(), asyncio.Event()
    terminal = Terminal(Console(file=output, width=200), Console(file=io.StringIO()))
    settings = load(None, message_content=reads_messages)
    serving = asyncio.create_task(preview(settings, terminal, port=0, open_browser=False, stop=stop))
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as browser:
            # What a process prints comes without an event.
            while not (address := re.search(r"(http://127\.0\.0\.1:\d+)/\?key=(\S+)", output.getvalue())):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            async with browser.get(address[0]) as page:
                assert "simulated" in await page.text()
            async with browser.get(f"{address[1]}/events?key={address[2]}") as events:
                while b"Ask the docs about this" not in await events.content.readline():
                    assert not serving.done()
    finally:
        stop.set()
        await serving


async def test_port_in_use_is_reported() -> None:
    async with OpenAIServer() as other:
        port = int(other.url.split(":")[2].split("/")[0])
        terminal = Terminal(Console(file=io.StringIO()), Console(file=io.StringIO()))
        with pytest.raises(DocentError, match=f"Port {port} on 127.0.0.1 is not available"):
            await preview(load(None), terminal, port=port, open_browser=False)


def test_objects_made_while_opening_are_frozen_in_the_garbage_collector() -> None:
    """Each look through it would hold the event loop for more than 0.1 s."""
    open_knowledge_base(load(None))
    assert gc.isenabled()
    assert gc.get_freeze_count() > 100_000


STOPPING = """
import asyncio, logging, sys
from bot.app.serve import _stop_on_signals

async def work():
    with _stop_on_signals(asyncio.Event()) as stop:
        print("ready", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        await asyncio.sleep(60)

asyncio.run(work())
"""


STUCK = """
import asyncio, os, signal, threading
from bot.app import serve

serve.STOP_TIMEOUT = 0.2

async def work():
    with serve._stop_on_signals(asyncio.Event()) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        await asyncio.to_thread(threading.Event().wait)

asyncio.run(work())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_process_that_cannot_stop_ends_and_prints_what_its_threads_wait_for() -> None:
    root = Path(command_line.__file__).parents[1]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", STUCK], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Timeout (0:00:00.200000)!" in done.stderr
    assert 'threading.py", line' in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
async def test_repeated_signal_counts_once_and_a_later_one_exits_at_once() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STOPPING),
        cwd=Path(command_line.__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdout is None:
        raise AssertionError
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert await process.stdout.readline() == b"stopping\n"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await process.wait()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
