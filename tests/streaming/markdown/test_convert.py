"""What the rewriter promises: Discord's Markdown in place of the model's, code exact, however the text was cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.code import find_code_spans
from bot.streaming.markdown.convert import (
    HORIZONTAL_RULE,
    UNFINISHED_REASONING_NOTE,
    DiscordMarkdownConverter,
    MarkdownRewriter,
    rewrite_markdown,
)
from bot.streaming.paging import Pager
from tests.streaming.markdown.test_links import ADDRESSES, ALLOWED, CODE, GLUE, find_foreign_links

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

SOURCE = "https://docs.example.com/handbook"

LINES = [
    "| a | b |\n",
    "|---|--:|\n",
    "a | b\n",
    "--- | :-:\n",
    "| `x` | **y** | z |\n",
    "|",
    "Title\n",
    "===\n",
    "---\n",
    "- - -\n",
    "***\n",
    "#### Deep ##\n",
    "# High\n",
    "- [ ] task\n",
    "+ plus\n",
    "  1) one\n",
    "> quote\n",
    "```py\n",
    "```\n",
    "\n```\n",
    "````md\n",
    "````\n",
    "  ~~~ sh\n",
    "~~~\n",
    "\\[\n",
    "\n\\]\n",
    "$$",
    "\n",
    "\n\n",
    "<think>\n",
    "</think>\n",
    "<THINKING>",
    "</thinking>",
    "word " * 20,
    "x" * 90,
    " " * 45,
]
FRAGMENTS = [
    "`",
    "``",
    "```",
    "`code` ",
    "![alt](https://x.test/p.png)",
    "![",
    "[![a](b)](c)",
    "](",
    ")",
    "\\(x^2\\)",
    "\\(",
    "\\)",
    "\\[y=1\\]",
    "$$a=b$$",
    "$5 ",
    "\\",
    "\\`",
    "<br>",
    "<br/>",
    "<b>bold</b>",
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<code>c</code>",
    '<a href="https://x.test">label</a>',
    '<img src="https://x.test/i.png" alt="i">',
    "<li>",
    "<p>",
    "<name>",
    "<",
    "~~",
    "**",
    "a",
    " ",
    "word ",
    "漢",
]
hostile = st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=30).map(
    "".join
)


def render_while_growing(text: str) -> list[str]:
    """What a reader sees after each character, and at the end."""
    rewriter, given_so_far, states = MarkdownRewriter(), "", []
    for letter in text:
        given_so_far += rewriter.feed(letter)
        states.append(given_so_far + rewriter.pending)
    return [*states, given_so_far + rewriter.flush()]


@given(hostile, st.lists(st.integers(0, 12)))
@example("`===\n<think>\n", [6])
@unhurried
def test_conversion_does_not_depend_on_chunking(text: str, sizes: list[int]) -> None:
    rewriter = MarkdownRewriter()
    rest, shown = text, ""
    for size in sizes:
        shown += rewriter.feed(rest[:size])
        assert isinstance(rewriter.pending, str)
        rest = rest[size:]
    assert shown + rewriter.feed(rest) + rewriter.flush() == rewrite_markdown(text)


@given(hostile)
@unhurried
def test_the_result_does_not_depend_on_being_fed_letter_by_letter(text: str) -> None:
    rewriter = MarkdownRewriter()
    assert "".join(map(rewriter.feed, text)) + rewriter.flush() == rewrite_markdown(text)


@given(
    st.lists(
        st.sampled_from(["a", " ", "x = `1`\n", "| a |\n", "---\n", "#### h\n", "<br>", "\\(x\\)", "![a](b)", "\n"])
    )
)
@unhurried
def test_a_fence_s_code_is_exact(pieces: list[str]) -> None:
    code = "".join(pieces) + "\n"
    for fence in ("```", "~~~", "````"):
        assert rewrite_markdown(f"Look:\n\n{fence}py\n{code}{fence}\nend") == f"Look:\n\n```py\n{code}```\nend"


@given(st.text(alphabet="ab <>|\\$![]()*_#-", min_size=1, max_size=40).filter(lambda code: "`" not in code))
@unhurried
def test_code_within_a_line_is_exact(code: str) -> None:
    assert rewrite_markdown(f"see `{code}` there") == f"see `{code}` there"


@given(st.text(alphabet="abc DEF.,!?*_#>()0123456789é漢\n", max_size=80))
@unhurried
def test_plain_text_is_unchanged(text: str) -> None:
    lines = text.split("\n")
    plain = all(re.match(r"\s*(?:[*_#>\d]|\Z)", line) is None for line in lines)
    assert not plain or rewrite_markdown(text) == text


@given(hostile)
@unhurried
def test_converting_twice_changes_no_code(text: str) -> None:
    once = rewrite_markdown(f"{text}\n\n```\n{text.replace('`', '').replace('~', '')}\n```\n")
    closed = [code for code in find_code_spans(once) if code.is_fence and code.is_closed]
    assert all("```" not in once[code.inner : code.end - 3] for code in closed)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("# One\n## Two\n### Three\n", "# One\n## Two\n### Three\n"),
        ("#### Four\n##### Five ##\n###### **Six** `a**b`\n", "**Four**\n**Five**\n**Six `a**b`**\n"),
        ("####### Seven\n", "####### Seven\n"),
        ("#hashtag and #### in a line", "#hashtag and #### in a line"),
        ("Title\n=====\ntext", "# Title\ntext"),
        ("Title\n-----\ntext", "## Title\ntext"),
        ("This is a sentence.\n---\nnext", f"This is a sentence.\n{HORIZONTAL_RULE}\nnext"),
        ("one\ntwo\n---\n", f"one\ntwo\n{HORIZONTAL_RULE}\n"),
        ("a\n\n***\n\n- - -\n_ _ _", f"a\n\n{HORIZONTAL_RULE}\n\n{HORIZONTAL_RULE}\n{HORIZONTAL_RULE}"),
        ("**bold** start\n* item\n- item\n", "**bold** start\n* item\n- item\n"),
        ("- [ ] a\n- [x] b\n  * [X] c\n- [y] d\n", "- ☐ a\n- ☑ b\n  * ☑ c\n- [y] d\n"),
        ("+ a\n1) b\n  2) c\n3. d\n", "- a\n1. b\n  2. c\n3. d\n"),
        ("+1 from me, 2) too", "+1 from me, 2) too"),
        ("~~struck~~ out\n", "~~struck~~ out\n"),
        ("[^1]: a note[^1]", "[^1]: a note[^1]"),
    ],
)  # fmt: skip
def test_blocks_are_converted(written: str, shown: str) -> None:
    assert rewrite_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("~~~\na\n~~~\nb", "```\na\n```\nb"),
        ("~~~ python title=x\n```\na\n~~~~\nb", "```python\n`` `\na\n```\nb"),
        ("````md\n```py\nx\n```\n````\nb", "```md\n`` `py\nx\n`` `\n```\nb"),
        ("```js run\nx = '```'\n```\n", "```js\nx = '`` `'\n```\n"),
        ("- a\n  ~~~sh\n  ls\n  ~~~\n- b", "- a\n  ```sh\n  ls\n  ```\n- b"),
        ("```\nnever closed <br>\n| a |\n|---|\n", "```\nnever closed <br>\n| a |\n|---|\n"),
        ("so: ```py\n<br>\n\n<br> ``` <br>x", "so: ```py\n<br>\n\n<br> ``` \nx"),
        ("```one line <br>``` <br>x", "```one line <br>``` \nx"),
        ("a ` b <br>\nc <br> ` d\n\n<br>x", "a ` b <br>\nc <br> ` d\n\n\nx"),
    ],
)
def test_fences_are_converted(written: str, shown: str) -> None:
    assert rewrite_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("![A plan](https://x.test/p.png) here", "[A plan (image)](https://x.test/p.png) here"),
        ('![](https://x.test/p.png "t")', "[image](https://x.test/p.png)"),
        ("[![Build](https://x.test/b.svg)](https://x.test/ci)", "[Build (image)](https://x.test/ci)"),
        ("Stop! [a](b) ![c] and ![d](e f)", "Stop! [a](b) ![c] and ![d](e f)"),
        (r"so \(x^2 + 1\) and \(n\)", "so `x^2 + 1` and `n`"),
        (r"text \(an aside\) and \[1\] and \[note\]", r"text \(an aside\) and \[1\] and \[note\]"),
        (r"mid \[a=b\] line, $$c^2$$, $5 and $6", "mid `a=b` line, `c^2`, $5 and $6"),
        ("\\[\n\\frac{a}{b}\n\\]\n", "```tex\n\\frac{a}{b}\n```\n"),
        ("$$\na = b\n\\\\ c = d\n$$.\nnext", "```tex\na = b\n\\\\ c = d.\n```\nnext"),
        ("\\[\nnot closed = here\n\nnext", "\\[\nnot closed = here\n\nnext"),
        ("a<br>b<br/>\nc", "a\nb\nc"),
        ("<b>bold <i>both</i></b> <u>under</u> <s>gone</s>", "**bold *both*** __under__ ~~gone~~"),
        ("<b>open and x < y and <name> and <b>", "<b>open and x < y and <name> and <b>"),
        ("press <kbd>Ctrl</kbd> <code>a*b*c</code>", "press `Ctrl` `a*b*c`"),
        ('<a href="https://x.test">here</a>', "[here](https://x.test)"),
        ('<img src="https://x.test/i.png" alt="I">', "[I (image)](https://x.test/i.png)"),
        ("<details>\n<summary>More</summary>\ntext\n</details>\n", "\n**More**\ntext\n\n"),
        ("<ul>\n<li>one</li>\n<li>two</li>\n</ul>", "\n- one\n- two\n"),
        ("the <p> tag and `<br>` and <br", "the <p> tag and `<br>` and <br"),
    ],
)  # fmt: skip
def test_inline_markup_is_converted(written: str, shown: str) -> None:
    assert rewrite_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<think>\nsecret\n</think>\n\nThe answer.", "\n\nThe answer."),
        ("<THINKING>secret</THINKING>The answer.", "The answer."),
        ("One.\n<think>a `<b>` secret</think>\nTwo.", "One.\n\nTwo."),
        ("One. <think>secret</think>Two.", "One. Two."),
        ("One. </think>Two.", "One. Two."),
        ("<think>```\nfence</think>\n# Two", "\n# Two"),
        ("```\n<think>\nshown\n</think>\n```\n", "```\n<think>\nshown\n</think>\n```\n"),
        ("Write `<think>` first.", "Write `<think>` first."),
        ("Said.\n<think>cut off", f"Said.\n{UNFINISHED_REASONING_NOTE}"),
        ("Use <think> to let it think, then\n#### go", "Use <think> to let it think, then\n**go**"),
        ("<think>All I have\n#### said", "All I have\n**said**"),
        ("<think>Only </think>\n<think>thoughts", "\nOnly thoughts"),
        ("<think>Only this</think>", "Only this"),
    ],
)
def test_reasoning_is_hidden_unless_there_is_no_other_text(written: str, shown: str) -> None:
    assert rewrite_markdown(written) == shown


@given(st.sampled_from(["think", "thinking", "Think"]), st.text(alphabet="secrt `|\n#-", max_size=60))
@unhurried
def test_reasoning_is_never_shown_while_streaming(tag: str, thought: str) -> None:
    states = render_while_growing(f"<{tag}>Q{thought}Q</{tag}>\n\nThe end.")
    assert all("Q" not in state and "think" not in state.lower() for state in states)
    assert states[-1].strip() == "The end."


@given(hostile)
@unhurried
def test_visible_text_never_converts_to_an_empty_result(text: str) -> None:
    inert = re.sub(r"(?i)</?[a-z][^>]*>|[\s|`~#\-=+*_:.()\[\]!\d\\]", "", text)
    assert rewrite_markdown(text).strip() or not inert


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("| a | b |\n|--", "| a | b |"),
        ("Title\n--", "Title"),
        ("text <thi", "text "),
        ("text <b", "text "),
        ("`co", "`co"),
        ("---", HORIZONTAL_RULE),
        ("#### Dee", "**Dee**"),
    ],
)
def test_pending_text_is_shown_without_flicker(written: str, held: str) -> None:
    assert render_while_growing(written)[-2].strip() == held.strip()


@given(hostile)
@unhurried
def test_reading_the_pending_text_changes_nothing(text: str) -> None:
    assert render_while_growing(text)[-1] == rewrite_markdown(text)


@given(hostile)
@unhurried
def test_converter_buffer_is_bounded(text: str) -> None:
    rewriter = MarkdownRewriter()
    for start in range(0, 20 * len(text), 7):
        rewriter.feed((text * 20)[start : start + 7])
        assert len(rewriter.pending) < 10_000


def test_only_the_pending_text_is_rendered_again() -> None:
    rewriter = MarkdownRewriter()
    rewriter.feed("| a | b |\n|---|---|\n")
    sizes = []
    for number in range(500):
        rewriter.feed(f"| row {number} | with some words |\n")
        sizes.append(len(rewriter.pending))
    assert max(sizes) < 400


@given(hostile)
@example(f"[a]({SOURCE}) ![b](https://evil.test)")
@unhurried
def test_converter_output_is_the_same_chunk_by_chunk(text: str) -> None:
    whole, cut = DiscordMarkdownConverter([SOURCE]), DiscordMarkdownConverter([SOURCE])
    shown = ""
    for letter in text:
        shown += cut.feed(letter)
        assert isinstance(cut.pending, str)
    assert shown + cut.flush() == whole.feed(text) + whole.flush()


def test_an_image_is_a_link_if_it_is_a_source_s_and_inert_otherwise() -> None:
    dialect = DiscordMarkdownConverter([SOURCE])
    shown = dialect.feed(f"![a]({SOURCE}) ![b](https://evil.test/p.png) end") + dialect.flush()
    assert shown == f"[a (image)]({SOURCE}) [b (image)] (hxxps://evil[.]test/p.png) end"


treacherous = st.lists(
    st.one_of(*(st.sampled_from(pieces) for pieces in (ADDRESSES, GLUE, CODE, LINES, FRAGMENTS))), max_size=25
).map("".join)


@given(treacherous)
@example("| a |\n|---|\n| http://evil.test |\n| `x` [l](http://evil.test) |\n")
@example('<b>http://evil.test</b> ![](http://evil.test) <a href="http://evil.test">x</a> <think>http://evil.test')
@settings(max_examples=50, deadline=None)
def test_foreign_links_are_inert_in_every_state_of_the_whole_chain(text: str) -> None:
    dialect, pager = DiscordMarkdownConverter(ALLOWED), Pager(1_000_000)
    for letter in text:
        pager.feed(dialect.feed(letter))
        assert find_foreign_links(pager.open_page_with(dialect.pending)) == []
    pager.feed(dialect.flush())
    pager.flush()
    assert find_foreign_links(pager.open_page) == []


@given(st.lists(treacherous, max_size=4).map(" ".join), st.sampled_from([200, 500]))
@unhurried
def test_foreign_links_are_inert_on_every_page_of_the_whole_chain(text: str, limit: int) -> None:
    dialect, pager = DiscordMarkdownConverter(["https://example.com"]), Pager(limit)
    pager.feed(dialect.feed(text) + dialect.flush())
    pager.flush()
    assert [link for page in pager.pages for link in find_foreign_links(page.rendered)] == []
