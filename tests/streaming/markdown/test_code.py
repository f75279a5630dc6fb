"""Where Discord sees code, and which lines leave a mark hanging."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.code import CodeReader, CodeSpan, find_code_spans, find_open_fence
from bot.streaming.markdown.open_marks import is_balanced

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

marked = st.lists(
    st.sampled_from(["`", "``", "```", "```py\n", "\n", "\n```\n", "  ", "a", "word ", "**", "[x]", "\\", "- ", "> "])
).map("".join)


def mark_code(text: str) -> str:
    """What the reader is sure is code, between bars."""
    reader = CodeReader()
    segments = [*reader.feed(text), *reader.flush()]
    return "".join(f"|{segment.text}|" if segment.is_code else segment.text for segment in segments).replace("||", "")


@given(marked)
@unhurried
def test_pieces_of_code_follow_one_another(text: str) -> None:
    place = 0
    for code in find_code_spans(text):
        assert place <= code.start < code.inner <= code.end <= len(text)
        assert text.startswith(code.mark, code.start)
        assert not code.is_closed or text.endswith(code.mark, code.start, code.end)
        place = code.end


@given(marked)
@unhurried
def test_only_the_last_fence_can_be_open_and_closing_it_closes_it(text: str) -> None:
    assert all(code.is_closed for code in find_code_spans(text)[:-1])
    if find_open_fence(text) is not None:
        assert find_open_fence(text + "\n```") is None


@given(marked, st.lists(st.integers(0, 9)))
@unhurried
def test_code_detection_does_not_depend_on_chunking(text: str, sizes: list[int]) -> None:
    def letters(pieces: list[str]) -> list[tuple[str, bool]]:
        reader = CodeReader()
        segments = [segment for piece in pieces for segment in reader.feed(piece)] + reader.flush()
        return [(letter, segment.is_code) for segment in segments for letter in segment.text]

    pieces, rest = [], text
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    whole = letters([text])
    assert letters([*pieces, rest]) == whole
    assert "".join(letter for letter, _ in whole) == text


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("```py\nx", CodeSpan(0, 6, 7, "```", "py", is_closed=False)),
        ("text ```x", CodeSpan(5, 8, 9, "```", "", is_closed=False)),
        ("````md\nx", CodeSpan(0, 3, 8, "```", "", is_closed=False)),
        ("```\na\n``` b\n```c", CodeSpan(12, 15, 16, "```", "", is_closed=False)),
        ("```py\nx\n```", None),
        ("text ```x``` y", None),
        ("`` ``` ``", None),
        ("~~~\nx", None),
        ("``", None),
    ],
)
def test_open_fence_is_found(text: str, fence: CodeSpan | None) -> None:
    assert find_open_fence(text) == fence


@pytest.mark.parametrize(
    "text",
    [
        "a |`b`| c",
        "|```py\nx\n```\n|a |`b`|",
        "- a\n|  ```sh\n  x\n  ```\n|end",
        "a `b\nand `c` and\n```\nd\n```",
        "a ```b``` `c`",
        "a ` ``` ` `c`",
        "**`**`** `c`",
        "|```\n|```\n`a`",
        "**a `b` c** |`d`|",
        "x\\`a` `b`",
        "|```\na |``` b\n`c`",
        "[a\n```\nb\n```\n",
    ],
)
def test_only_what_every_reading_calls_code_is_code(text: str) -> None:
    assert mark_code(text.replace("|", "")) == text


@pytest.mark.parametrize(
    "line", ["", "plain", "* item", "**a** and *b*", "5 * 3", "snake_case", "[a](b)", "a < b", "||x||"]
)
def test_line_without_open_marks_is_recognised(line: str) -> None:
    assert is_balanced(line)


@pytest.mark.parametrize(
    "line", ["**a", "a*", "_a", "||x", "~~x", "[a", "a]", "<a", "**a*", "*a **b* c**", "] [", "*a **b** c*"]
)
def test_line_with_open_marks_is_recognised(line: str) -> None:
    assert not is_balanced(line)
