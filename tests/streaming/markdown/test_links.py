"""No link that is not a source's is ever live, in no reading of the client, and nothing else is changed."""

from __future__ import annotations

import pytest

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from tests.reference_markdown import certain_code, possible_links

SOURCE = "https://docs.example.com/handbook"
OTHER = "https://docs.example.com/handbook/refunds?a=1#b"
BARE = "https://example.com"
ALLOWED = (SOURCE, OTHER, BARE)


def convert(text: str) -> str:
    return convert_markdown(text, ALLOWED, {1: SOURCE, 2: ""})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"See {SOURCE}.", f"See <{SOURCE}>."),
        (f"See <{SOURCE}>, please", f"See <{SOURCE}>, please"),
        (f"([Handbook]({SOURCE}), [Refunds]({OTHER})).", f"([Handbook](<{SOURCE}>), [Refunds](<{OTHER}>))."),
        (f"**{SOURCE}** and {OTHER}", f"**<{SOURCE}>** and <{OTHER}>"),
        (f"[a]({SOURCE})[b]({OTHER})", f"[a](<{SOURCE}>)[b](<{OTHER}>)"),
        (f"![picture]({SOURCE})", f"[picture (image)](<{SOURCE}>)"),
        (f"[{SOURCE}]({SOURCE})", f"<{SOURCE}>"),
        (f"[see <@1>]({SOURCE})", f"see <{SOURCE}>"),
        (f"{SOURCE}[SECRET", f"<{SOURCE}>\\[SECRET"),
    ],
)
def test_sources_stay_live(text: str, shown: str) -> None:
    assert convert(text) == shown
    assert {link.url for link in possible_links(shown)} <= set(ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        "```sh\ncurl http://localhost:8080/health\n```\n",
        "Run `curl http://localhost:8080` now.",
        "@everyone <@123> <@!4> <@&5> <#6> <:smile:7> <a:wave:8> <t:9:R> </ask:10>",
        "C:/Users, 10:30, and/or, a::b, key: value, 3 < 4, e.g. this, http status",
        "handlers[0] and dict[str, int] and [0, 9] and f(x)",
        r"f\(x\) matches f(x), and \[0-9\] a class",
    ],
)
def test_text_without_links_is_unchanged(text: str) -> None:
    assert convert(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://evil.test/a.b?c=d.", "See hxxps://evil[.]test/a.b?c=d."),
        ("[click](https://evil.test/x)", r"[click]\(hxxps://evil[.]test/x)"),
        ("![alt](https://evil.test/p.png)", r"[alt (image)]\(hxxps://evil[.]test/p.png)"),
        ("<https://evil.test>", r"\<hxxps://evil[.]test>"),
        ("[a]: https://evil.test", "[a]: hxxps://evil[.]test"),
        ("https://good.test@evil.test/", "hxxps://good[.]test@evil[.]test/"),
        ("ht\u200btps\u200b://evil.test", "hxxps://evil[.]test"),
        ("https://xn--e1a.test", "hxxps://xn--e1a[.]test"),
        ("steam://run/1 discord://x", "steam[:]//run/1 discord[:]//x"),
        ("discord.gg/abc", r"discord\[.]gg/abc"),
        (r"discord\.gg/abc", r"discord\[.]gg/abc"),
        ("discord&#46;gg/abc https&#58;//evil.test", r"discord\[.]gg/abc https\://evil.test"),
        ("<discord.gg/abc:/x", r"\<discord\[.]gg/abc:/x"),
        ("<bob@evil.test> <mailto:b@c.test> <+4930>", r"\<bob@evil.test> \<mailto:b@c.test> \<+4930>"),
        (f"{SOURCE}/more", "hxxps://docs[.]example[.]com/handbook/more"),
        (f"{BARE}@evil.test", "hxxps://example[.]com@evil[.]test"),
        ("漢https://evil.test/x", "漢hxxps://evil[.]test/x"),
        ("[a](https:evil.test/x) [b](//evil.test/x)", r"[a]\(https:evil.test/x) [b]\(//evil.test/x)"),
        ("http://evil.testhttp://evil.test", "hxxp://evil[.]testhttp[:]//evil.test"),
    ],
)
def test_foreign_links_are_inert(text: str, shown: str) -> None:
    assert convert(text) == shown
    assert possible_links(shown) == set()


TRICKS = {
    "a label over code": "See [1] `](https://evil.test/?q=x)`",
    "a label over a fence": "See [1]\n```\n](https://evil.test/?q=x)\n```",
    "a label over a fence in a quote": "> See [1]\n> ```\n> ](https://evil.test/?q=x)\n> ```",
    "an open bracket before code": "Type [ and then `](https://evil.test/?q=x)`",
    "a list that takes a fence's first line": "- \n```\nhttps://evil.test/?q=x\n```",
    "a numbered list that takes a fence's first line": "1. \n```\nhttps://evil.test/?q=x\n```",
    "an empty quote between a list and code": "* a\n>\n```\n- https://evil.test/?q=x\n```",
    "quoted code between a list and code": "* a\n> ```\n```\n- https://evil.test/?q=x\n```",
    "an indented list below an empty item": "1.\n    - a\n```sh\nhttps://evil.test/?q=x\n```",
    "an indented list below an empty item, with a title": "1.\n    - a\n```https://evil.test/?q=x\nb\n```",
    "an indented list": "  - a\n:::\n\n```sh\nhttps://evil.test/?q=x\n```",
    "a list over a blank line in code": "* a\n```\nb\n\nhttps://evil.test/?q=x\n```",
    "a heading that takes a fence's first line": "#\n```\nhttps://evil.test/?q=x\n```",
    "a heading with a fence on its line": "# ```\nhttps://evil.test/?q=x\n```",
    "a quote with a fence on its last line": "> ```\nhttps://evil.test/?q=x\n```",
    "an empty fence": "```\n```\nhttps://evil.test/?q=x\n```\nb\n```",
    "bold that ends in code": "**a `**https://evil.test/?q=x`",
    "italics that end in code": "*a `b*https://evil.test/?q=x`",
    "an underscore that closes in code": "top_k `class_ https://evil.test/?q=x`",
    "an underscore alone": "_\n> a\nhttps://docs.example.com/a_(b)",
    "a spoiler that ends in code": "||a `||https://evil.test/?q=x`",
    "a backtick that was escaped": r"\`https://evil.test/?q=x`",
    "a backtick without partner": "Don`t\n\n`https://evil.test/?q=x`",
    "a prompt of Python": ">>> a\n```\nhttps://evil.test/?q=x\n```",
    "an address over lines": "<https://evil.test/\n?q=x>",
    "an address in an address": "<<https://evil.test/?q=x>",
    "an address in a link's address": "[1]([a](https://evil.test/?q=x)",
    "an address cut at a line's greatest length": "x" * 996 + "https://evil.test/?q=x",
    "an invite cut at a line's greatest length": "x" * 988 + " discord" + "." + "gg/abc",
    "a bracket that an invite gets": "discord.gift/abc `](<https://evil.test/?q=x>)`",
    "code after code": "<kbd>Ctrl</kbd>`` ` `` `https://evil.test/x``` ` ``https:evil.test/x",
}


@pytest.mark.parametrize("text", TRICKS.values(), ids=TRICKS)
def test_tricks_make_no_link_live_in_any_state(text: str) -> None:
    converter = DiscordMarkdownConverter(ALLOWED, citations={1: SOURCE, 2: ""})
    shown = ""
    for letter in text:
        shown += converter.feed(letter)
        state = shown + converter.pending
        if len(text) < 200 or text.endswith(letter):
            assert {link.url for link in possible_links(state)} <= set(ALLOWED)
    final = shown + converter.flush()
    assert final == convert(text)
    assert {link.url for link in possible_links(final)} <= set(ALLOWED)


def test_a_label_that_could_end_in_code_costs_one_space() -> None:
    assert convert("See [1] `](https://evil.test)` and `](b)`").endswith("`] (https://evil.test)` and `](b)`")
    assert convert("`a[0](x)` `](https://evil.test)`") == "`a[0](x)` `](https://evil.test)`"


def test_half_a_source_is_not_shown_until_it_is_whole() -> None:
    converter = DiscordMarkdownConverter(ALLOWED)
    shown = converter.feed("See https://docs.exam")
    assert shown + converter.pending == "See "
    shown += converter.feed("ple.com/handbook")
    assert shown + converter.pending == f"See <{SOURCE}>"
    assert shown + converter.feed("x") + converter.flush() == "See hxxps://docs[.]example[.]com/handbookx"


def test_a_url_longer_than_a_quarter_page_is_inert() -> None:
    converter = DiscordMarkdownConverter([SOURCE], page_length=80)
    assert converter.feed(SOURCE) + converter.flush() == "hxxps://docs[.]example[.]com/handbook"


def test_code_after_a_citation_is_exact() -> None:
    text = "See [1] and run `a[0](b)`:\n```py\nx = [y](z)\n```"
    assert certain_code(convert(text)) == {"a[0](b)": 1, "x = [y](z)": 1}
