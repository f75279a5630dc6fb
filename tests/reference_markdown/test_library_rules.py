"""What the client's Markdown shares with the library it descends from, and much of it with CommonMark."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.reference_markdown.dialects import LIBRARY, READINGS
from tests.reference_markdown.outline import outline
from tests.reference_markdown.parsing import State
from tests.reference_markdown.showing import readings

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test


def in_every_reading(text: str) -> set[str]:
    return {outline(reading.nodes) for reading in readings(text)}


EMPHASIS = {
    "*a*": "<i>a</i>",
    "_a_": "<i>a</i>",
    "**a**": "<b>a</b>",
    "__a__": "<u>a</u>",
    "~~a~~": "<s>a</s>",
    "***a***": "<i><b>a</b></i>",
    "**a *b* c**": "<b>a <i>b</i> c</b>",
    "*a **b** c*": "<i>a <b>b</b> c</i>",
    "__**a**__": "<u><b>a</b></u>",
    "___a___": "<i><u>a</u></i>",
    "a*b*c": "a<i>b</i>c",
    "* a*": "<ul><li>a*</li></ul>",
    "x * a * y": "x * a * y",
    "x *a * y": "x *a * y",
    "** a **": "<b> a </b>",
    "snake_case_name": "snake_case_name",
    "_snake_case_": "_snake<i>case</i>",
    "пристаням_стремятся_": "пристаням<i>стремятся</i>",
    "*a\nb*": "<i>a\nb</i>",
    "**a": "**a",
    "a**": "a**",
    "**a*": "*<i>a</i>",
    "*a**": "*a**",
    "***": "***",
    "****": "<i>**</i>",
    "**a** and **b**": "<b>a</b> and <b>b</b>",
    "2 * 3 * 4": "2 * 3 * 4",
    "2*3*4": "2<i>3</i>4",
    "**a*** b": "<b>a*</b> b",
}

CODE = {
    "`a`": "<code>a</code>",
    "`` a ` b ``": "<code> a ` b </code>",
    "`` `a` ``": "<code>`a`</code>",
    "` a `": "<code> a </code>",
    "`a``b`": "<code>a``b</code>",
    "`a": "`a",
    "``": "``",
    "`a\nb`": "<code>a\nb</code>",
    r"`a\`": r"<code>a\</code>",
    r"\`a`": "`a`",
    "`*a*`": "<code>*a*</code>",
    "`[a](https://b.test)`": "<code>[a](https://b.test)</code>",
    "`https://a.test`": "<code>https://a.test</code>",
    "`a` `b`": "<code>a</code> <code>b</code>",
    "*a `b*` c": "<i>a `b</i>` c",
    "`a*` b*": "<code>a*</code> b*",
    "**a `b** c`": "<b>a `b</b> c`",
    "a `b **c` d** e": "a <code>b **c</code> d** e",
}

LINKS = {
    "[a](https://b.test)": "<a https://b.test>a</a>",
    "[a](<https://b.test>)": "<a https://b.test>a</a>",
    "[a](https://b.test 'title')": "<a https://b.test>a</a>",
    '[a](https://b.test "title")': "<a https://b.test>a</a>",
    "[a](https://b.test/c_(d))": "<a https://b.test/c_(d)>a</a>",
    r"[a](https://b.test/\))": "<a https://b.test/)>a</a>",
    "[a b](  https://b.test  )": "<a https://b.test>a b</a>",
    "[**a**](https://b.test)": "<a https://b.test><b>a</b></a>",
    "[`a`](https://b.test)": "<a https://b.test><code>a</code></a>",
    "**[a](https://b.test)**": "<b><a https://b.test>a</a></b>",
    "[[a]](https://b.test)": "<a https://b.test>[a]</a>",
    "[a [b] c](https://b.test)": "<a https://b.test>a [b] c</a>",
    "[a] (https://b.test c)": "[a] (<a https://b.test>https://b.test</a> c)",
    "[a]": "[a]",
    "[a](https://b.test c)": "[a](<a https://b.test>https://b.test</a> c)",
    r"\[a](https://b.test c)": "[a](<a https://b.test>https://b.test</a> c)",
    "<https://a.test>": "<a https://a.test>https://a.test</a>",
    "https://a.test/b?c=d#e": "<a https://a.test/b?c=d#e>https://a.test/b?c=d#e</a>",
    "see https://a.test.": "see <a https://a.test>https://a.test</a>.",
    "https://a.test, b": "<a https://a.test>https://a.test</a>, b",
    "xhttps://a.test": "x<a https://a.test>https://a.test</a>",
    "*https://a.test*": "<i><a https://a.test>https://a.test</a></i>",
    "https://a.test/*b*": "<a https://a.test/*b*>https://a.test/*b*</a>",
    "https://a": "https://a",
    "www.a.test": "www.a.test",
    "http:// a": "http:// a",
}

ESCAPES = {
    r"\*a\*": "*a*",
    r"\**a*": "*<i>a</i>",
    r"\\*a*": r"\<i>a</i>",
    r"\a": r"\a",
    r"C:\new\path": r"C:\new\path",
    r"\# a": "# a",
    r"\> a": "> a",
    r"\- a": "- a",
    r"\_a_": "_a_",
    r"\~\~a~~": "~~a~~",
    r"\|\|a||": "||a||",
    r"\<https://a.test>": "<<a https://a.test>>https://a.test></a>",
    r"**a\** b**": "<b>a** b</b>",
    r"\😀": "😀",
}


@pytest.mark.parametrize(("text", "shown"), [*EMPHASIS.items(), *CODE.items(), *LINKS.items(), *ESCAPES.items()])
def test_what_all_readings_agree_on(text: str, shown: str) -> None:
    assert in_every_reading(text) == {shown}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("+ a\n+ b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n4. b", "<ol 3><li>a</li><li>b</li></ol>"),
        ("- a\n  - b\n- c", "<ul><li>a\n<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li>b</li></ul>"),
        ("- a\n\nb", "<ul><li>a</li></ul>b"),
        ("- a\nb", "<ul><li>a\nb</li></ul>"),
        ("x - a", "x - a"),
        ("a  \nb", "a<br>b"),
        ("[a](b)", "<a b>a</a>"),
        ("[](b)", "<a b></a>"),
        ("[a]( 'b c')", "<a>a</a>"),
        ("[a\n\nb](c)", "<a c>a\n\nb</a>"),
        ("[1] `](c)`", "<a c>1] `</a>`"),
        ("[1] [a](c)", "[1] <a c>a</a>"),
        ("[a](b](c)", "<a c>a](b</a>"),
        ("<a:/b>", "<a a:/b>a:/b</a>"),
        ("<a@b.test>", "<a mailto:a@b.test>a@b.test</a>"),
        ("http://😀", "<a http://😀>http://😀</a>"),
        ("```\na\n```", "<code>\na\n</code>"),
    ],
)
def test_the_library_alone(text: str, shown: str) -> None:
    assert outline(LIBRARY.read(text, State(list_level=1))) == shown


@given(st.text("abc .,\n", max_size=40), st.sampled_from(sorted(READINGS)))
@unhurried
def test_words_alone_are_shown_as_they_are(text: str, name: str) -> None:
    shown = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    nodes = READINGS[name].read(text.strip(), State())
    assert "\n".join(line.rstrip() for line in outline(nodes).replace("<br>", "\n").split("\n")) == shown


@given(st.text("*_~|`[]()<>#-+\\!@:a😀漢 ", max_size=30))
@example("http")
@unhurried
def test_signs_that_are_escaped_are_shown_as_they_are(text: str) -> None:
    escaped = "".join(f"\\{sign}" if not sign.isalnum() and not sign.isspace() else sign for sign in text)
    assert in_every_reading(f"x{escaped}x") == {f"x{text}x"}


@given(st.text("a*_~|[]()<>#-+\\\n :/é😀", min_size=1, max_size=40))
@example("[a](https://b.test)\n> c")
@unhurried
def test_a_fence_by_itself_is_code_in_every_reading(code: str) -> None:
    inner = code.strip("\n")
    for reading in readings(f"a\n```text\n{code}\n```\nb"):
        if inner:
            assert reading.code == [inner]
            assert reading.live_links == []


@given(
    st.lists(
        st.sampled_from(["[", "]", "(", ")", "(a)", "](", "\\", " ", "\n", "'", "b", "`", "**", "<", ">"]), max_size=300
    )
)
@settings(deadline=None, max_examples=20)
def test_hostile_brackets_end_in_time(pieces: list[str]) -> None:
    assert readings("".join(pieces))


@pytest.mark.parametrize(
    "text", ["- " * 900, "> " * 900, "[" * 30 + "a](b)" * 30, "*_" * 300 + "a" + "_*" * 300, "[" * 900]
)
def test_what_lies_deep_is_read(text: str) -> None:
    assert readings(text)
