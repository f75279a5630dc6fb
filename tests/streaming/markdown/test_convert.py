"""The converter turns the model's Markdown into Discord's, with code exact, however the text was cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.convert import (
    HORIZONTAL_RULE,
    DiscordMarkdownConverter,
    convert_markdown,
)
from bot.text.markdown import find_code_blocks

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

SOURCE = "https://docs.example.com/handbook"
URLS = [SOURCE, "https://x.test/p.png", "https://x.test/ci", "https://x.test", "https://x.test/i.png"]


def convert(text: str) -> str:
    return convert_markdown(text, URLS)


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
    converter, given_so_far, states = DiscordMarkdownConverter(URLS), "", []
    for letter in text:
        given_so_far += converter.feed(letter)
        states.append(given_so_far + converter.pending)
    return [*states, given_so_far + converter.flush()]


@given(hostile, st.lists(st.integers(0, 12)))
@example("`===\n<think>\n", [6])
@unhurried
def test_conversion_does_not_depend_on_chunking(text: str, sizes: list[int]) -> None:
    converter = DiscordMarkdownConverter(URLS)
    rest, shown = text, ""
    for size in sizes:
        shown += converter.feed(rest[:size])
        assert isinstance(converter.pending, str)
        rest = rest[size:]
    assert shown + converter.feed(rest) + converter.flush() == convert(text)


@given(hostile)
@unhurried
def test_the_result_does_not_depend_on_being_fed_letter_by_letter(text: str) -> None:
    converter = DiscordMarkdownConverter(URLS)
    assert "".join(map(converter.feed, text)) + converter.flush() == convert(text)


@given(
    st.lists(
        st.sampled_from(["a", " ", "x = `1`\n", "| a |\n", "---\n", "#### h\n", "<br>", "\\(x\\)", "![a](b)", "\n"])
    )
)
@unhurried
def test_a_fence_s_code_is_exact(pieces: list[str]) -> None:
    code = "x" + "".join(pieces) + "\n"
    for fence in ("```", "~~~", "````"):
        assert convert(f"Look:\n\n{fence}py\n{code}{fence}\nend") == f"Look:\n\n```py\n{code}```\nend"


@given(st.text(alphabet="ab <>|\\$![]()*_#-", min_size=1, max_size=40).filter(lambda code: "`" not in code))
@unhurried
def test_code_within_a_line_is_exact(code: str) -> None:
    assert convert(f"see `{code}` there") == f"see `{code}` there"


@given(st.text(alphabet="abc DEF.,!?()0123456789é漢\n", max_size=80))
@unhurried
def test_plain_text_is_unchanged(text: str) -> None:
    plain = all(re.match(r"(?: {4}|\s*\d+[.)])|.*\s\Z", line) is None for line in text.split("\n"))
    assert not plain or convert(text) == text


@given(hostile)
@unhurried
def test_converting_twice_changes_no_code(text: str) -> None:
    once = convert(f"{text}\n\n```\n{text.replace('`', '').replace('~', '')}\n```\n")
    closed = [block for block in find_code_blocks(once) if block.is_closed]
    assert all("```" not in once[block.inner : block.end - 3] for block in closed)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("# One\n## Two\n### Three\n", "# One\n## Two\n### Three\n"),
        ("#### Four\n##### Five ##\n###### **Six** `a**b`\n", "**Four**\n**Five**\nSix `a**b`\n"),
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
    assert convert(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("~~~\na\n~~~\nb", "```\na\n```\nb"),
        ("~~~ python title=x\n```\na\n~~~~\nb", "-# `title=x`\n```python\n`` `\na\n```\nb"),
        ("````md\n```py\nx\n```\n````\nb", "```md\n`` `py\nx\n`` `\n```\nb"),
        ("```js run\nx = '```'\n```\n", "-# `run`\n```js\nx = '`` `'\n```\n"),
        ("- a\n  ~~~sh\n  ls\n  ~~~\n- b", "- a\n\n```sh\nls\n```\n- b"),
        ("```\nnever closed <br>\n| a |\n|---|\n", "```\nnever closed <br>\n| a |\n|---|\n```"),
        ("so: ```py\nx ``` y", "so: `py x` y"),
        ("```one line <br>``` <br>x", "`one line <br>`\nx"),
        ("a ` b <br>\nc <br> ` d\n\n<br>x", "a `b <br> c <br>` d\n\n\nx"),
        ("> ```py\n> a\n>\n> b\n> ```\n> c", "> ```py\n> a\n> \n> b\n> ```\n> c"),
        ("> ```\n> a\nb", "> ```\n> a\n> ```\nb"),
        ("- ```js\n  a\n  ```\n- b", "-\n\n```js\na\n```\n- b"),
        ("Run:\n\n    pip install a\n\n    b\n\nEnd", "Run:\n\n```\npip install a\n\nb\n```\n\nEnd"),
    ],
)
def test_fences_are_converted(written: str, shown: str) -> None:
    assert convert(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("![A plan](https://x.test/p.png) here", "[A plan (image)](<https://x.test/p.png>) here"),
        ('![](https://x.test/p.png "t")', "[image](<https://x.test/p.png>)"),
        ("[![Build](https://x.test/b.svg)](https://x.test/ci)", "[Build (image)](<https://x.test/ci>)"),
        ("Stop! [a](b) ![c] and ![d](e f)", "Stop! [a]\\(b) ![c] and ![d]\\(e f)"),
        (r"so \(x^2 + 1\) and \(n\)", "so `x^2 + 1` and `n`"),
        (r"text \(an aside\) and \[1\] and \[note\]", r"text \(an aside\) and \[1\] and \[note\]"),
        (r"mid \[a=b\] line, $$c^2$$, $5 and $6", "mid `a=b` line, `c^2`, $5 and $6"),
        ("\\[\n\\frac{a}{b}\n\\]\n", "```tex\n\\frac{a}{b}\n```\n"),
        ("$$\na = b\n\\\\ c = d\n$$.\nnext", "```tex\na = b\n\\\\ c = d.\n```\nnext"),
        ("\\[\nnot closed = here\n\nnext", "\\[\nnot closed = here\n\nnext"),
        ("a<br>b<br/>\nc", "a\nb\nc"),
        ("<b>bold <i>both</i></b> <u>under</u> <s>gone</s>", "**bold *both*** __under__ ~~gone~~"),
        ("<b>open and x < y and <name> and <b>", r"\<b>open and x < y and <name> and \<b>"),
        ("press <kbd>Ctrl</kbd> <code>a*b*c</code>", "press `Ctrl` `a*b*c`"),
        ('<a href="https://x.test">here</a>', "[here](<https://x.test>)"),
        ('<img src="https://x.test/i.png" alt="I">', "[I (image)](<https://x.test/i.png>)"),
        ("<details>\n<summary>More</summary>\ntext\n</details>\n", "**More**\ntext\n"),
        ("<ul>\n<li>one</li>\n<li>two</li>\n</ul>", "• one\n• two\n"),
        ("the <p> tag and `<br>` and <br", r"the <p> tag and `<br>` and \<br"),
        ("H<sub>2</sub>O, x<sup>n</sup>, y<sup>a b</sup>", "H₂O, xⁿ, y^(a b)"),
        ("a &lt; b &amp;&amp; c&nbsp;d &copy; &#42;x&#42; &nope;", r"a \< b && c d © \*x\* &nope;"),
        ("Shown.<!-- hidden -->\n<!--\nhidden\n-->\nToo.", "Shown.\nToo."),
        ("One  \nTwo\\\nThree", "One\nTwo\nThree"),
        ("[a\nb](https://x.test) **c\nd**", "[a b](<https://x.test>) **c**\n**d**"),
    ],
)  # fmt: skip
def test_inline_markup_is_converted(written: str, shown: str) -> None:
    assert convert(written) == shown


@given(hostile)
@unhurried
def test_visible_text_never_converts_to_an_empty_result(text: str) -> None:
    inert = re.sub(r"(?i)</?[a-z][^>]*>|[\s|`~#\-=+*_:.()\[\]!\d\\]", "", text)
    assert convert(text).strip() or not inert


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("| a | b |\n|--", "| a | b |"),
        ("Title\n--", "Title"),
        ("text <b", "text "),
        ("`co", "`co`"),
        ("a **bo", "a **bo**"),
        ("see ![A pl", "see A pl"),
        ("see [the do](https://x.te", "see the do"),
        ("see https://x.te", "see"),
        ("---\n", HORIZONTAL_RULE),
        ("#### Dee", "**Dee**"),
    ],
)
def test_pending_text_is_shown_without_flicker(written: str, held: str) -> None:
    assert render_while_growing(written)[-2].strip() == held.strip()


@given(hostile)
@unhurried
def test_reading_the_pending_text_changes_nothing(text: str) -> None:
    assert render_while_growing(text)[-1] == convert(text)


@given(hostile)
@settings(deadline=None, max_examples=30)
def test_converter_buffer_is_bounded(text: str) -> None:
    converter = DiscordMarkdownConverter()
    for start in range(0, 20 * len(text), 41):
        converter.feed((text * 20)[start : start + 41])
        assert len(converter.pending) < 10_000


def test_only_the_pending_text_is_rendered_again() -> None:
    converter = DiscordMarkdownConverter()
    converter.feed("| a | b |\n|---|---|\n")
    sizes = []
    for number in range(500):
        converter.feed(f"| row {number} | with some words |\n")
        sizes.append(len(converter.pending))
    assert max(sizes) < 2_000


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
