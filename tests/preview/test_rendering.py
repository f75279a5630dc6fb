"""What a message's text looks like on the page, sign by sign, and what no text whatever can make of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.preview.rendering import DiscordMarkdown, format_relative_time

NAMES = {"1": "Ada", "2": "general", "3": "<b>Bob</b>"}
NOON = 1_700_000_000.0
MARKDOWN = DiscordMarkdown()

VOID = {"br"}
ALLOWED = {
    "p": {"class"},
    "div": {"class"},
    "br": set[str](),
    "strong": set[str](),
    "em": set[str](),
    "u": set[str](),
    "s": set[str](),
    "h1": set[str](),
    "h2": set[str](),
    "h3": set[str](),
    "a": {"href", "rel", "target", "title"},
    "span": {"class", "role", "tabindex"},
    "code": {"class"},
    "pre": set[str](),
    "blockquote": {"class"},
    "ul": {"class"},
    "ol": {"class", "start"},
    "li": set[str](),
    "time": {"datetime", "title"},
}


class HtmlChecker(HTMLParser):
    """Reads HTML back and complains of anything that is not on the list or not closed in its turn."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        assert {name for name, _ in attrs} <= ALLOWED[tag], attrs
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        if tag == "a":
            self.links.append(values["href"] or "")
            assert values["rel"] == "noreferrer noopener nofollow"

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def render(text: str) -> str:
    return MARKDOWN.render(text, names=NAMES, now=NOON).strip()


def parse_html(text: str) -> HtmlChecker:
    reader = HtmlChecker()
    reader.feed(render(text))
    reader.close()
    assert reader.open == []
    return reader


def visible_text(text: str) -> str:
    return "".join(parse_html(text).text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**bold** *it* _it_", "<p><strong>bold</strong> <em>it</em> <em>it</em></p>"),
        ("__under__ ~~gone~~", "<p><u>under</u> <s>gone</s></p>"),
        ("***both***", "<p><em><strong>both</strong></em></p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        (r"\*stars\*", "<p>*stars*</p>"),
        ("`a < b`", "<p><code>a &lt; b</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("-# small **print**", '<div class="subtext">small <strong>print</strong></div>'),
        ("-#none", "<p>-#none</p>"),
    ],
)
def test_inline_markup_renders_as_in_discord(text: str, expected: str) -> None:
    assert render(text) == expected


def test_headings_end_at_the_third_level() -> None:
    assert render("# a\n## b\n### c\n#### d") == "<h1>a</h1>\n<h2>b</h2>\n<h3>c</h3>\n<p>#### d</p>"


def test_hash_without_text_is_no_heading() -> None:
    assert render("# \n#hash") == "<p>#<br>\n#hash</p>"


def test_spoiler_may_contain_markup() -> None:
    assert render("||a **b**||") == (
        '<p><span class="spoiler" role="button" tabindex="0">a <strong>b</strong></span></p>'
    )


def test_markup_does_not_cross_the_edge_of_a_spoiler() -> None:
    assert visible_text("**a ||b** c||") == "**a b** c"


def test_a_list_may_follow_a_line_at_once_and_ends_where_the_indent_ends() -> None:
    assert render("for you:\n- a\n  - b\nafter").replace("\n", "") == (
        "<p>for you:</p><ul><li>a<ul><li>b</li></ul></li></ul><p>after</p>"
    )


def test_an_ordered_list_counts_from_where_it_starts() -> None:
    assert render("3. a\n4. b").replace("\n", "") == '<ol start="3"><li>a</li><li>b</li></ol>'


def test_a_quote_takes_its_lines_only() -> None:
    assert render("> a\n> b\nc").replace("\n", "") == "<blockquote><p>a<br>b</p></blockquote><p>c</p>"


def test_a_long_quote_takes_all_that_follows() -> None:
    assert render("x\n>>> a\n- b").replace("\n", "") == ("<p>x</p><blockquote><p>a</p><ul><li>b</li></ul></blockquote>")


def test_an_empty_line_is_seen_above_what_follows_it() -> None:
    assert render("a\n\nb\n\n- c\n\n> d\n\n-# e").replace("\n", "") == (
        '<p>a</p><p class="gap">b</p><ul class="gap"><li>c</li></ul>'
        '<blockquote class="gap"><p>d</p></blockquote><div class="subtext gap">e</div>'
    )


def test_a_quote_in_a_quote_is_text() -> None:
    assert visible_text("> > a").strip() == "> a"


def test_a_fence_keeps_its_language_and_its_content() -> None:
    assert render("```Python\nif a < b:\n\n    **x**\n```") == (
        '<pre><code class="language-python">if a &lt; b:\n\n    **x**</code></pre>'
    )


def test_an_open_fence_is_only_backticks() -> None:
    assert "<pre>" not in render("```py\nx = 1")
    assert visible_text("```py\nx = 1").startswith("```py")


def test_a_fence_may_stand_in_the_middle_of_a_line() -> None:
    assert render("so ```\na\nb``` it is") == '<p>so <code class="block">a\nb</code> it is</p>'


def test_text_after_a_closing_fence_is_kept() -> None:
    assert visible_text("```\na\n``` b").split() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "url", "label"),
    [
        ("[Handbook](<https://example.org/a?b=1>)", "https://example.org/a?b=1", "Handbook"),
        ("[Handbook](https://example.org)", "https://example.org", "Handbook"),
        ("<https://example.org/x>", "https://example.org/x", "https://example.org/x"),
        ("(see https://example.org/a).", "https://example.org/a", "(see https://example.org/a)."),
        ("https://example.org/a_(b)", "https://example.org/a_(b)", "https://example.org/a_(b)"),
    ],
)
def test_web_addresses_are_links(text: str, url: str, label: str) -> None:
    reader = parse_html(text)
    assert reader.links == [url]
    assert "".join(reader.text) == label


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        "[x](/relative)",
        "[x](//example.org)",
        "[x](mailto:a@b.org)",
        "<javascript:alert(1)>",
        "xhttps://",
        "[x][y]\n\n[y]: https://example.org",
    ],
)
def test_only_web_addresses_become_links(text: str) -> None:
    assert [link for link in parse_html(text).links if link != "https://example.org"] == []
    assert "[x]" not in text or visible_text(text).startswith("[x]")


def test_a_label_that_looks_like_an_address_masks_nothing() -> None:
    assert parse_html("[https://bank.example](https://evil.example)").text[0] == "["


def test_mentions_are_chips_with_names() -> None:
    assert visible_text("<@1> <@!1> <#2> <@9> </ask:5>") == "@Ada @Ada #general @unknown-member /ask"
    assert render("<#2>") == '<p><span class="chip">#general</span></p>'


def test_names_are_escaped() -> None:
    assert "<b>" not in render("<@3>")


def test_emoji_of_the_server_are_shown_by_name() -> None:
    assert visible_text("<:wave:12> <a:dance:13>") == ":wave: :dance:"


def test_timestamps_are_written_out() -> None:
    assert visible_text(f"<t:{int(NOON) - 120}:R>") == "2 minutes ago"
    assert visible_text("<t:1700000000>") == "14 November 2023 22:13 UTC"
    assert visible_text("<t:1700000000:d>") == "14/11/2023 UTC"
    assert visible_text("<t:9999999999999>") == "<t:9999999999999>"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "in 0 seconds"), (-1, "1 second ago"), (59, "in 59 seconds"), (7200, "in 2 hours"), (-86_400, "1 day ago")],
)
def test_relative_times_use_their_largest_unit(seconds: float, words: str) -> None:
    assert format_relative_time(seconds) == words


@pytest.mark.parametrize("text", ["| a | b |\n|---|---|\n| 1 | 2 |", "---", "a\n===", "    indented", "&amp; &#60;"])
def test_unsupported_markup_is_shown_as_typed(text: str) -> None:
    assert visible_text(text).split() == text.split()
    assert re.findall(r"<(?!/?p|br)", render(text)) == []


def test_an_image_is_a_link_behind_an_exclamation_mark() -> None:
    assert "<img" not in render("![a](https://example.org/a.png)")


def test_html_is_text() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:x'>"
    assert visible_text(hostile) == hostile


MARKUP = st.sampled_from(
    [
        "**", "*", "__", "_", "~~", "||", "`", "```", "```py\n", "\n", "\n\n", "> ", ">>> ", "- ", "  - ", "1. ", "# ",
        "#### ", "-# ", "[", "](", "](<", ">)", ")", "<", ">", "<@1>", "<#2>", "<t:1:R>", "<t:99999999999999:R>", "\\",
        "https://example.org/", "http://", "javascript:", "data:text/html,", "<script>", "</p>", "<!--", "onerror=",
        '"', "'", "&lt;", "&", "\t", "\x00", "\r", "\u2028", "\ud800", "\udc00", "é", "漢字", "👩‍👩‍👧", "a", " word ",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.lists(MARKUP, max_size=40).map("".join), st.text(alphabet=st.characters(), max_size=200))


@given(TEXTS)
def test_any_text_renders_as_well_formed_html_of_allowed_tags(text: str) -> None:
    assert parse_html(text).open == []


@given(TEXTS)
@example("http://# ")
def test_every_link_is_http_or_https(text: str) -> None:
    assert all(re.match(r"https?://[^/?#]", link, re.IGNORECASE) for link in parse_html(text).links)


@given(TEXTS)
def test_the_html_can_go_out_as_utf_8(text: str) -> None:
    assert render(text).encode().decode() == render(text)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=100))
def test_plain_text_is_shown_unchanged(text: str) -> None:
    assert visible_text(text) == text


@given(st.text(max_size=100).filter(lambda text: "`" not in text and text.strip("\n\r") == text and text))
def test_code_is_shown_letter_for_letter(text: str) -> None:
    expected = re.sub(r"\r\n?", "\n", text).replace("\x00", "\ufffd")
    assert visible_text(f"```\n{text}\n```") == expected


@pytest.mark.parametrize("sign", ["- ", "> ", ">>> ", "||", "**", "[", "```", "<", "1. ", "\n- ", "*_"])
def test_two_thousand_equal_characters_render_without_an_error(sign: str) -> None:
    parse_html((sign * 2_000)[:2_000])
