"""Reading in a child: every file comes to a definite end, whatever it does to its reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import DocumentUnreadable
from bot.knowledge.ingestion.sandbox import is_network_filter_supported
from bot.knowledge.ingestion.worker import Limits, Passage, ReaderCrashed, ReaderProcess
from tests.knowledge.readers.test_office import make_workbook

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_outcomes(root: Path, documents: Sequence[str], limits: Limits | None = None) -> dict[str, str]:
    """What became of each document: its text, or the reason why there is none."""
    ends: dict[str, str] = {}
    with ReaderProcess(limits) as child:
        for document, outcome in child.read_passages(root, documents):
            if isinstance(outcome, DocumentUnreadable):
                ends[document] = outcome.user_message
            elif outcome is not None:
                ends[document] = " ".join(passage.text for passage in outcome)
    return ends


def make_deflated_pdf(unpacked: int) -> bytes:
    """A PDF whose only page has a stream that unpacks to so many bytes of drawing."""
    packer = zlib.compressobj(9)
    block = b"1 0 0 1 0 0 cm\n" * 65_536
    stream = b"".join(packer.compress(block) for _ in range(unpacked // len(block))) + packer.flush()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


def test_worker_returns_the_same_passages_in_document_order(tmp_path: Path) -> None:
    names = [f"f{n}.md" for n in range(12)]
    for name in names:
        (tmp_path / name).write_text(f"# {name}\n## Part\nText of {name}.")
    seen: list[tuple[str, Passage]] = []
    with ReaderProcess() as child:
        for name, outcome in child.read_passages(tmp_path, names):
            if outcome is not None:
                assert isinstance(outcome, list)
                seen += [(name, passage) for passage in outcome]
    assert [name for name, _ in seen] == names
    assert [passage.text for _, passage in seen] == [f"Text of {name}." for name in names]
    assert seen[0][1].metadata["section"] == "Part"
    assert len({passage.hash for _, passage in seen}) == 12


def test_a_file_that_takes_too_long_or_too_much_memory_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("Good.")
    (tmp_path / "last.md").write_text("Last.")
    (tmp_path / "bomb.pdf").write_bytes(make_deflated_pdf(500 * 2**20))
    ends = read_outcomes(tmp_path, ["good.md", "bomb.pdf", "last.md"], Limits(seconds=8))
    assert (ends["good.md"], ends["last.md"]) == ("Good.", "Last.")
    assert ends["bomb.pdf"] in {
        "took longer than 8 s to read",
        "broke its reader: it is damaged, or needs too much memory",
        "needs too much memory to read",
        "no text; text recognition is not supported",
        "damaged PDF",
    }


def test_timeout_of_the_worker_is_distinguished_from_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "big.md").write_text("Some words about refunds and days.\n\n" * 100_000)
    (tmp_path / "bad.txt").write_bytes(b"\x7fELF" + bytes(50))
    with ReaderProcess(Limits(seconds=0.2)) as child:
        # The first file bears the child's start as well; it is not what is looked at.
        ends = dict(
            each for each in child.read_passages(tmp_path, ["bad.txt", "bad.txt", "big.md"]) if each[1] is not None
        )
    assert isinstance(ends["big.md"], ReaderCrashed)
    assert isinstance(ends["bad.txt"], DocumentUnreadable)


def test_without_enough_memory_a_file_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_text("a,b\n" + "x" * 100 + "," + "y" * 100 + "\n" + ("1,2\n" * 2_000_000))
    (tmp_path / "good.md").write_text("Good.")
    ends = read_outcomes(tmp_path, ["large.csv", "good.md"], Limits(memory=64 * 2**20))
    assert "memory" in ends["large.csv"]
    assert ends["good.md"] == "Good."


@pytest.mark.parametrize("name", ["pipe.md", "out.md", "null.md"])
def test_pipes_links_and_devices_are_refused_without_blocking(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    os.mkfifo(root / "pipe.md")
    (tmp_path / "secret.md").write_text("secret")
    (root / "out.md").symlink_to("../secret.md")
    (root / "null.md").symlink_to("/dev/zero")
    assert "not a regular file" in read_outcomes(root, [name])[name]


LIMITED_MEMORY_SCRIPT = """
import sys
from pathlib import Path
from bot.knowledge.ingestion.worker import ReaderProcess, Limits
with ReaderProcess(Limits(memory=12 * 2**20)) as child:
    for name, outcome in child.read_passages(Path(sys.argv[1]), ["a.xlsx"]):
        if outcome is not None:
            print(outcome.user_message)
"""


def test_output_of_a_crashing_library_is_suppressed(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(make_workbook({"a": [("A1", "x"), ("ZZ20000", "y")]}))
    command = [sys.executable, "-c", LIMITED_MEMORY_SCRIPT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ourselves
    assert (ended.stdout.strip(), ended.stderr) == ("needs too much memory to read", "")


NO_PROCESS_SCRIPT = """
import multiprocessing, sys
from pathlib import Path
from bot.errors import DocentError
from bot.knowledge.ingestion.worker import ReaderProcess
multiprocessing.set_executable(sys.argv[1] + "/no-such-python")
try:
    with ReaderProcess() as child:
        list(child.read_passages(Path(sys.argv[1]), ["a.md", "b.md"]))
except DocentError as error:
    print(error.user_message)
"""


def test_missing_worker_process_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_PROCESS_SCRIPT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603 - ourselves
    assert ended.stdout.startswith("A process to read files in failed to start")


DAMAGED_FILES = {
    "zero.md": (b"", "empty file"),
    "cut.pdf": (b"%PDF-1.7\n1 0 obj", "damaged PDF"),
    "count.pdf": (
        (
            b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
            b"2 0 obj\n<< /Type /Pages /Kids [] /Count 1000000 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF"
        ),
        "more than 5,000 pages|damaged PDF|no text",
    ),
    "elf.txt": (b"\x7fELF\x02\x01\x01" + bytes(99), "binary content"),
    "jpeg.html": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary content"),
    "pdf.txt": (b"%PDF-1.7 ...", "binary content"),
    "deep.html": (b"<div>" * 200_000 + b"x", "HTML is nested too deeply"),
    "field.csv": (b'a,b\n"' + b"x" * 30_000_000, "damaged CSV"),
    "line.txt": (b"word refund " * 100_000, "word refund"),
    "chinese.txt": ("\u9000\u6b3e\u9700\u8981".encode() * 250_000, "\u9000\u6b3e"),
    "items.md": (b"- an item about refunds\n" * 200_000, "- an item"),
    "vast.txt": (b"words " * 1_000_000, "more than 5,000,000 characters of text"),
}


def test_every_malicious_file_ends_with_a_result_in_one_run(tmp_path: Path) -> None:
    for name, (content, _) in DAMAGED_FILES.items():
        (tmp_path / name).write_bytes(content)
    ends = read_outcomes(tmp_path, list(DAMAGED_FILES))
    assert ends.keys() == DAMAGED_FILES.keys()
    for name, (_, expected) in DAMAGED_FILES.items():
        assert any(words in ends[name][:400] for words in expected.split("|")), (name, ends[name][:100])


KILLED_PARENT_SCRIPT = """
import os, sys, time
from pathlib import Path
from bot.knowledge.ingestion.worker import ReaderProcess
with ReaderProcess() as child:
    for name, outcome in child.read_passages(Path(sys.argv[1]), ["a.md"]):
        if outcome is not None:
            print(" ".join(sorted(pid for pid in os.listdir("/proc") if pid.isdigit() and mine(pid))), flush=True)
            time.sleep(60)
"""
IS_OUR_PROCESS = """
def mine(pid):
    while pid not in ("0", "1"):
        if pid == str(os.getpid()):
            return True
        try:
            pid = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]
        except OSError:
            return False
    return False
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes where Linux shows them")
def test_worker_process_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    command = [sys.executable, "-c", IS_OUR_PROCESS + KILLED_PARENT_SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 - written above
        assert parent.stdout is not None
        family = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(family) > 1
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 60
    while (left := [pid for pid in family if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


CONFINED_SCRIPT = """
import os, socket, subprocess, sys
from pathlib import Path
from multiprocessing import get_context
from bot.knowledge.ingestion import worker

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

def look(memory):
    worker._confine_this_process(memory)
    shown = Path("/proc/self/environ").read_bytes().strip(b"\\0") if Path("/proc/self/environ").exists() else b""
    parent = Path(f"/proc/{os.getppid()}/environ")
    inherited = parent.read_bytes() if parent.exists() else b""
    print(len(os.environ), shown, b"sk-test-secret" in inherited,
          attempt(lambda: socket.socket(socket.AF_INET)), attempt(lambda: socket.socket(socket.AF_UNIX)),
          attempt(lambda: os.execv(sys.executable, [sys.executable, "-c", ""])), flush=True)

if __name__ == "__main__":
    process = worker._create_context().Process(target=look, args=(2**30,))
    process.start()
    process.join()
"""


@pytest.mark.skipif(not is_network_filter_supported(), reason="this system cannot refuse the network to a process")
def test_reader_process_has_no_environment_no_network_and_no_other_programs(tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(CONFINED_SCRIPT)
    environment = {**os.environ, "OPENAI_API_KEY": "sk-test-secret", "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run(  # noqa: S603 - the script is written above
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    assert ended.stdout.strip() == "0 b'' False PermissionError PermissionError PermissionError"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
