"""The question sets are fair: what they call an answer stands in the text, and what they call missing does not."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import html

from bot.knowledge.evaluation import parse_questions
from bot.knowledge.sources.documents import read

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "data" / "documents"
SMALL = HERE / "small" / "documents"
MANUALS = Path(os.environ["MANUALS_DIR"]) if os.environ.get("MANUALS_DIR") else None
needs_manuals = pytest.mark.nightly  # they are downloaded by fetch_manuals.py, to where MANUALS_DIR says

NAMES: Final = ("borg", "git", "sqlite", "exim", "handbook", "python", "click")
NEAR: Final = 1000
"""An answer stands no further than so many characters from the sentence that proves it."""
LONGEST: Final = 420
"""So long a sentence may be quoted: the manuals are other people's."""

_BLOCKS = """
    address article aside blockquote br caption dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr
    li main nav ol p pre section table tbody td tfoot th thead tr ul
"""

Entry = dict[str, Any]


def entries(name: str) -> list[Entry]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


@cache
def plain(path: Path) -> str:
    """All the text of a file, each gap as one space; of a web page without its markup."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        tree: Any = html.fromstring(path.read_bytes())  # the stubs know less than lxml does
        for element in list(tree.iter("script", "style")):
            element.drop_tree()
        for element in tree.iter(*_BLOCKS.split()):
            element.tail = " " + (element.tail or "")
        text = str(tree.text_content())
    return " ".join(text.split())


@cache
def as_read(root: Path, document: str) -> str:
    """The text of a document as the bot reads it."""
    return " ".join(" ".join(part.text for part in read(root, document)).split()).casefold()


def around(root: Path, document: str, evidence: str) -> str:
    text = plain(root / document)
    place = text.find(evidence)
    assert place >= 0, f"{document} does not hold: {evidence}"
    return text[max(0, place - NEAR) : place + len(evidence) + NEAR].casefold()


def check_answers(root: Path, document: str, evidence: str, answers: list[str], others: list[str]) -> None:
    part = around(root, document, evidence)
    here = [answer for answer in answers if answer.casefold() in part]
    assert here, f"{document}: none of {answers} stands near {evidence}"
    assert any(answer.casefold() in as_read(root, document) for answer in here), f"{document}: {here} are not read"
    for answer in answers:
        assert any(answer.casefold() in plain(root / each).casefold() for each in (document, *others)), answer


def check_question(root: Path, entry: Entry) -> None:
    source, evidence = entry["source"], entry["evidence"]
    check_answers(root, source, evidence, entry["answers"], entry["documents"])
    part = around(root, source, evidence)
    for needed in entry.get("all_of", []):
        assert needed.casefold() in part, f"{source}: {needed} does not stand near {evidence}"
    for other in entry["documents"]:
        text = plain(root / other)
        assert evidence in text or any(answer.casefold() in text.casefold() for answer in entry["answers"]), other


def check_absent(root: Path, entry: Entry) -> None:
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        for words in entry["absent"]:
            assert words.casefold() not in plain(path).casefold(), f"{path.name} holds {words!r}: {entry['question']}"


ANSWERED: Final = [*(f"{name}.jsonl" for name in NAMES), "small/questions.jsonl"]
WITHOUT: Final = ["unanswerable.jsonl", "small/unanswerable.jsonl"]


@pytest.mark.parametrize("name", [*ANSWERED, *WITHOUT, "two_passages.jsonl"])
def test_a_set_is_one_that_the_bot_can_be_measured_with(name: str) -> None:
    given = parse_questions((HERE / name).read_text(encoding="utf-8"), name)
    asked = [" ".join(case.question.casefold().split()) for case in given]
    assert len(set(asked)) == len(asked)
    assert all(10 < len(each) < 300 for each in asked)
    assert all((case.document is None) is (name in WITHOUT) for case in given)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_question_says_what_a_right_answer_holds_and_where_it_stands(name: str) -> None:
    for entry in entries(name):
        assert entry["kind"] in {"plain", "hard"}
        assert entry["answers"]
        assert all(answer.strip() for answer in [*entry["answers"], *entry.get("all_of", [])])
        assert entry["documents"][0] == entry["source"]
        assert len(set(entry["documents"])) == len(entry["documents"])
        assert 0 < len(entry["evidence"]) <= LONGEST


@pytest.mark.parametrize("name", WITHOUT)
def test_a_question_without_an_answer_says_why(name: str) -> None:
    for entry in entries(name):
        assert entry["kind"] == "close"
        assert entry["why"]
        assert entry["absent"]
        assert name.startswith("small") or entry["manual"] in NAMES


def test_a_question_of_two_parts_lists_each_passage_it_needs() -> None:
    for entry in entries("two_passages.jsonl"):
        assert entry["kind"] == "two"
        assert entry["set"] in {*NAMES, "manuals", "samples", "small"}
        assert len({(part["document"], part["evidence"]) for part in entry["passages"]}) >= 2
        assert entry["source"] == entry["passages"][0]["document"]
        assert all(part["answers"] and 0 < len(part["evidence"]) <= LONGEST for part in entry["passages"])


def test_no_question_is_in_two_sets() -> None:
    asked = [entry["question"] for name in [*ANSWERED, *WITHOUT, "two_passages.jsonl"] for entry in entries(name)]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("entry", entries("small/questions.jsonl"), ids=lambda entry: entry["question"])
def test_the_small_manual_holds_the_answer(entry: Entry) -> None:
    check_question(SMALL, entry)


@pytest.mark.parametrize("entry", entries("small/unanswerable.jsonl"), ids=lambda entry: entry["question"])
def test_the_small_manual_does_not_hold_the_answer(entry: Entry) -> None:
    check_absent(SMALL, entry)


OURS: Final = {"small": SMALL, "samples": SAMPLES}


def check_passages(root: Path, entry: Entry) -> None:
    for part in entry["passages"]:
        check_answers(root, part["document"], part["evidence"], part["answers"], [])


@pytest.mark.parametrize(
    "entry",
    [entry for entry in entries("two_passages.jsonl") if entry["set"] in OURS],
    ids=lambda entry: entry["question"],
)
def test_our_own_documents_hold_both_parts_of_the_answer(entry: Entry) -> None:
    check_passages(OURS[entry["set"]], entry)


@needs_manuals
@pytest.mark.parametrize("name", NAMES)
def test_a_manual_holds_the_answers_to_its_questions(name: str) -> None:
    assert MANUALS is not None
    for entry in entries(f"{name}.jsonl"):
        check_question(MANUALS / name, entry)


@needs_manuals
@pytest.mark.parametrize("name", NAMES)
def test_a_manual_does_not_hold_what_is_said_to_be_missing(name: str) -> None:
    assert MANUALS is not None
    for entry in entries("unanswerable.jsonl"):
        if entry["manual"] == name:
            check_absent(MANUALS / name, entry)


@needs_manuals
def test_the_manuals_hold_both_parts_of_the_answers() -> None:
    assert MANUALS is not None
    for entry in entries("two_passages.jsonl"):
        if entry["set"] not in OURS:
            check_passages(MANUALS if entry["set"] == "manuals" else MANUALS / entry["set"], entry)
