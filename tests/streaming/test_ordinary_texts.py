"""Everyday answers, as Discord would show them if nothing were done: where their code is code, and where it is not."""

from __future__ import annotations

import pytest

from bot.streaming.markdown.convert import convert_markdown
from bot.text.reasoning import strip_reasoning
from tests.reference_markdown import certain_code, readings
from tests.streaming.hostile_text import SOURCES
from tests.streaming.ordinary_texts import (
    AS_WRITTEN,
    CODE,
    CONSTRUCTS,
    CONSTRUCTS_AND_MESSAGES,
    OPENINGS,
    with_code_behind,
    with_code_in_line,
)

STARS = {
    "a censored word",
    "a glob over folders",
    "a negated glob",
    "a pointer",
    "a power",
    "a signature",
    "arguments",
    "bold left open",
    "keyword arguments",
}
"""Openings with two stars that the two stars in the code behind would close."""

TICKS = {"a backtick alone", "a quoted backtick", "an apostrophe as a backtick", "two backticks alone"}
"""Openings with a backtick that makes code of what stands before the code."""


def test_there_are_enough_of_them() -> None:
    assert len(OPENINGS) >= 100
    assert len(CONSTRUCTS) >= 60
    assert len(set(OPENINGS.values())) == len(OPENINGS)
    assert len(set(CONSTRUCTS.values())) == len(CONSTRUCTS)


@pytest.mark.parametrize("text", [*OPENINGS.values(), *CONSTRUCTS.values()])
def test_every_reading_reads_them(text: str) -> None:
    assert len(readings(text)) == 3


def test_where_code_behind_is_lost() -> None:
    lost = {name for name, text in OPENINGS.items() if CODE not in certain_code(with_code_behind(text))}
    assert lost == STARS


def test_where_code_in_a_line_behind_is_lost() -> None:
    lost = {name for name, text in OPENINGS.items() if CODE not in certain_code(with_code_in_line(text))}
    assert lost == STARS | TICKS


@pytest.mark.parametrize(("text", "message"), CONSTRUCTS_AND_MESSAGES.values(), ids=CONSTRUCTS_AND_MESSAGES)
def test_what_is_sent_for_an_ordinary_answer(text: str, message: str) -> None:
    sent = convert_markdown(strip_reasoning(text), SOURCES, {1: SOURCES[0], 2: ""})
    assert sent == (text if message == AS_WRITTEN else message)
