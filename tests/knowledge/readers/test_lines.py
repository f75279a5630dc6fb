"""On which line of its file a passage begins."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.knowledge.readers import clean_text
from bot.knowledge.readers.page import map_line_numbers
from bot.knowledge.sources.documents import read
from bot.knowledge.splitting.splitter import SectionSplitter

if TYPE_CHECKING:
    from pathlib import Path

SPLITTER = SectionSplitter()
FIXTURE_REUSED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def split_file(folder: Path, name: str, content: bytes | str) -> list[tuple[int | None, str]]:
    """The passages of a file, each with its line."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [(node.metadata.get("line"), node.text) for node in SPLITTER.split(read(folder, name))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_below_front_matter_and_comments_lines_are_those_of_the_file(tmp_path: Path, end: str) -> None:
    text = "---\ntitle: Leave\n---\n\n<!-- Ask Bob:\nhe knows -->\nFirst.\n\n## Later <!-- or\nnever --> on\n\nSecond."
    assert split_file(tmp_path, "leave.md", text.replace("\n", end)) == [(7, "First."), (12, "Second.")]


def test_a_comment_below_a_code_block_is_left_out_wherever_the_file_was_written(tmp_path: Path) -> None:
    text = "```\nrun\n```\n\n<!-- unseen -->\n\nFirst."
    (found,) = split_file(tmp_path, "run.md", text.replace("\n", "\r\n"))
    assert found == split_file(tmp_path, "run.md", text)[0]
    assert "unseen" not in found[1]


def test_text_after_a_comment_keeps_the_comments_last_line_number(tmp_path: Path) -> None:
    assert split_file(tmp_path, "leave.md", "<!-- one\ntwo --> Three.") == [(2, "Three.")]


def test_text_with_a_page_break_keeps_its_line_numbers(tmp_path: Path) -> None:
    prose = "".join(f"This is line {n}, and it says that refunds take thirty days.\n\f\n" for n in range(1, 99, 2))
    found = split_file(tmp_path, "rfc.txt", prose)
    assert len(found) > 3
    assert all(text.startswith(f"This is line {line},") for line, text in found)


def test_source_code_lines_count_from_the_top_of_the_file(tmp_path: Path) -> None:
    code = "\n\n" + "".join(f"def function_{n}():\n    return {n}\n\n\n" for n in range(3, 403, 4))
    found = split_file(tmp_path, "code.py", code)
    assert len(found) > 3
    assert [re.findall(r"function_(\d+)", text)[0] for _, text in found] == [str(line) for line, _ in found]


def test_identical_lines_keep_their_own_line_numbers(tmp_path: Path) -> None:
    found = [(line or 0, text.count("key")) for line, text in split_file(tmp_path, "same.yaml", "key: value\n" * 2_000)]
    ends = [line + count for line, count in found]
    assert (found[0][0], ends[-1]) == (1, 2_001)
    assert all(line <= end < line + count for (line, count), end in zip(found[1:], ends, strict=False))


def test_rows_of_a_table_are_where_they_begin_however_many_lines_they_take(tmp_path: Path) -> None:
    rows = ["name,note", "", *(f'Ada{n},"one\ntwo {"words " * 30}"' for n in range(20))]
    found = split_file(tmp_path, "people.csv", "\n".join(rows))
    assert len(found) > 3
    assert all(text.startswith(f"name: Ada{((line or 0) - 3) // 2};") for line, text in found)


def test_a_table_of_names_only_begins_with_them(tmp_path: Path) -> None:
    assert split_file(tmp_path, "people.csv", "\nname,note\n") == [(2, "name; note")]


def test_sphinx_content_keeps_the_line_numbers_of_its_source(tmp_path: Path) -> None:
    filler = "".join(f"    step {n} of the deployment\n" for n in range(20, 120))
    text = (
        "Guide\n=====\n\n.. toctree::\n   :maxdepth: 2\n\n   a\n\nHello.\n\nRun\n---\n\n.. code-block::\n   :linenos:\n"
    )
    found = split_file(tmp_path, "guide.rst", f"{text}\n\n\n\n{filler}\n.. note:: Ask\n\n   Ada.\n")
    steps = [(line, re.findall(r"step (\d+)", text)) for line, text in found[1:]]
    assert found[0] == (9, "Hello.")
    assert len(steps) > 3
    assert all(str(line) == numbers[0] for line, numbers in steps)


@pytest.mark.parametrize("name", ["guide.html", "guide.ipynb"])
def test_formats_not_read_line_by_line_have_no_line_numbers(tmp_path: Path, name: str) -> None:
    content = '{"cells": [{"cell_type": "markdown", "source": "Hello."}]}' if name.endswith("ipynb") else "<p>Hello."
    assert split_file(tmp_path, name, content) == [(None, "Hello.")]


@given(st.lists(st.text(max_size=9) | st.sampled_from(["\n", "\r", "\r\n", "\f", "\u2028"])).map("".join))
def test_every_line_of_a_text_is_on_a_line_of_its_file(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    lines = map_line_numbers([(1, text)])
    assert len(lines) == clean_text(text).count("\n") + 1
    assert lines == sorted(lines)
    assert lines[-1] == len(re.split("\r\n?|\n", text))


# Every word names its line: what a passage begins with says where it begins.
LINES_WITH_WORDS = st.tuples(
    st.sampled_from(["", "", "", "# ", "### ", "- ", "> ", "    ", "2. ", "* ", "title: ", ".. note:: ", "// "]),
    st.integers(1, 60),
    st.sampled_from(["", "", ".", ":", "::", "  ", " <!--", " -->", "\f"]),
)
LINES_WITHOUT_WORDS = st.sampled_from(["", "", "   ", "```", "~~~", "---", "=====", "<!--", "-->", "\ufeff"])
LINES = st.lists(LINES_WITH_WORDS | LINES_WITHOUT_WORDS.map(lambda line: (line, 0, "")), max_size=50)


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.py", "a.rst"])
@FIXTURE_REUSED
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), head=st.sampled_from(["", "---\ntitle: w2\n---\n"]))
def test_passage_line_is_the_line_of_its_first_words(
    tmp_path: Path, name: str, lines: list[tuple[str, int, str]], end: str, head: str
) -> None:
    above = head.count("\n")
    written = [
        f"{mark}{' '.join([f'w{number}'] * count)}{after}"
        for number, (mark, count, after) in enumerate(lines, above + 1)
    ]
    for line, text in split_file(tmp_path, name, head + end.join([*written, f"w{above + len(lines) + 1}"])):
        words = re.findall(r"\bw(\d+)", text)
        assert not words or words[0] == str(line)


@FIXTURE_REUSED
@given(
    rows=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=2, max_size=60),
    wide=st.integers(1, 30),
)
def test_table_row_line_is_the_line_of_its_first_words(tmp_path: Path, rows: list[list[int]], wide: int) -> None:
    written = io.StringIO("")
    writer = csv.writer(written, lineterminator="\n")
    for row in [[0], *rows]:
        number = written.getvalue().count("\n") + 1
        writer.writerow(
            [" ".join([f"w{number}"] * wide) + "\nand" * count for count in row] if number > 1 else ["name", "other"]
        )
    found = split_file(tmp_path, "a.csv", written.getvalue())
    assert found
    assert all(re.findall(r"w(\d+)", text)[0] == str(line) for line, text in found)
