"""Everyday answers, as Discord would show them if nothing were done: where their code is code, and where it is not."""

from __future__ import annotations

import pytest

from tests.reference_markdown import certain_code, readings
from tests.streaming.ordinary_texts import CODE, CONSTRUCTS, OPENINGS, with_code_behind, with_code_in_line

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
