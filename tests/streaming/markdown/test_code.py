"""Where Discord sees code, and which lines leave a mark hanging."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.code import CodeSpan, find_code_spans, find_open_fence
from bot.streaming.markdown.open_marks import is_balanced

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

marked = st.lists(
    st.sampled_from(["`", "``", "```", "```py\n", "\n", "\n```\n", "  ", "a", "word ", "**", "[x]", "\\", "- ", "> "])
).map("".join)


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
    "line", ["", "plain", "* item", "**a** and *b*", "5 * 3", "snake_case", "[a](b)", "a < b", "||x||"]
)
def test_line_without_open_marks_is_recognised(line: str) -> None:
    assert is_balanced(line)


@pytest.mark.parametrize(
    "line", ["**a", "a*", "_a", "||x", "~~x", "[a", "a]", "<a", "**a*", "*a **b* c**", "] [", "*a **b** c*"]
)
def test_line_with_open_marks_is_recognised(line: str) -> None:
    assert not is_balanced(line)
