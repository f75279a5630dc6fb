"""What Discord documents, and what people found out by trying: "Markdown Text 101", "Message Formatting"."""

from __future__ import annotations

import pytest

from tests.reference_markdown import (
    Link,
    certain_code,
    code_blocks,
    code_spans,
    live_links,
    mentions,
    possible_links,
    readings,
    render,
    shown_text,
)
from tests.reference_markdown.nodes import CodeBlock, Mention
from tests.reference_markdown.outline import outline

DOCUMENTED = {
    "# a": "<h1>a</h1>",
    "## a": "<h2>a</h2>",
    "### a": "<h3>a</h3>",
    "#### a": "#### a",
    "#a": "#a",
    "x # a": "x # a",
    "# a\nb": "<h1>a</h1>b",
    "# # a": "# # a",
    "# a ##": "<h1>a</h1>",
    "-# a\nb": "<small>a</small>b",
    "-#a": "-#a",
    "> a": "<quote>a</quote>",
    ">a": ">a",
    "> a\n> b\nc": "<quote>a\nb</quote>c",
    "> a\n\nb": "<quote>a</quote>\nb",
    "x > a": "x > a",
    "> > a": "<quote>> a</quote>",
    ">>> a\nb\n\nc": "<quote>a\nb\n\nc</quote>",
    "> - a": "<quote><ul><li>a</li></ul></quote>",
    "> # a": "<quote><h1>a</h1></quote>",
    "- > a": "<ul><li><quote>a</quote></li></ul>",
    "- a\n- b": "<ul><li>a</li><li>b</li></ul>",
    "* a\n* b": "<ul><li>a</li><li>b</li></ul>",
    "- a\n  - b": "<ul><li>a\n<ul><li>b</li></ul></li></ul>",
    "1. a\n2. b": "<ol 1><li>a</li><li>b</li></ol>",
    "||a||": "<spoiler>a</spoiler>",
    "||a\nb||": "<spoiler>a\nb</spoiler>",
    "a || b": "a || b",
    "||**a**||": "<spoiler><b>a</b></spoiler>",
    "```\na\n```": "<pre>a</pre>",
    "```py\na\n```": "<pre py>a</pre>",
    "```c++\na\n```": "<pre c++>a</pre>",
    "```a```": "<pre>a</pre>",
    "```py a```": "<pre>py a</pre>",
    "```py a\nb\n```": "<pre>py a\nb</pre>",
    "```py\n```": "<pre>py</pre>",
    "x ```a``` y": "x <pre>a</pre> y",
    "````a````": "<pre>`a</pre>`",
    "```````": "<pre>`</pre>",
    "```\n``\n```": "<pre>``</pre>",
    "```\na\n": "```\na",
    "    a\n    b": "a\n    b",
    "> ```\n> a\n> ```": "<quote><pre>a</pre></quote>",
    "> ```\na\n```": "<quote>```</quote>a\n```",
    "# ```a```": "<h1><pre>a</pre></h1>",
    "**a\n```\nb**\n```": "<b>a\n```\nb</b>\n```",
    "__a\n```b```\nc__": "<u>a\n<pre>b</pre>\nc</u>",
    "- a\n  ```\n  b\n  ```": "<ul><li>a\n<pre>b</pre></li></ul>",
    "*> a*": "<i><quote>a</quote></i>",
    "x *> a*": "x <i>> a</i>",
    "<@1> <@!2> <@&3> <#4>": "<user 1> <user 2> <role 3> <channel 4>",
    "@everyone @here @other": "<everyone everyone> <here here> @other",
    r"\<@1>": "<@1>",
    "`<@1>`": "<code><@1></code>",
    "</ask:5> </docs list all:6>": "<command ask:5> <command docs list all:6>",
    "<:a_b:7> <a:c:8>": "<emoji a_b 7> <emoji c 8>",
    "<t:9> <t:-9:R> <t:9:x>": "<time 9 > <time -9 R> <t:9:x>",
    "<id:customize> <id:other>": "<navigation customize> <id:other>",
    "<+15550100> <me@a.test>": "<a tel:+15550100>+15550100</a> <a mailto:me@a.test>me@a.test</a>",
    r"¯\_(ツ)_/¯": r"¯\_(ツ)_/¯",
    "| a | b |\n|---|---|": "| a | b |\n|---|---|",
    "![a](https://b.test)": "!<a https://b.test>a</a>",
    "---": "---",
    "a\n===": "a\n===",
    "[a]: https://b.test": "[a]: <a https://b.test>https://b.test</a>",
    "&amp; <b>a</b>": "&amp; <b>a</b>",
}


@pytest.mark.parametrize(("text", "shown"), DOCUMENTED.items())
def test_what_is_documented_holds_in_every_reading(text: str, shown: str) -> None:
    assert {outline(reading.nodes) for reading in readings(text)} == {shown}


def test_the_space_around_a_message_is_taken_off() -> None:
    assert outline(render("  # a\r\n")) == "<h1>a</h1>"


HOSTILE = {
    "a label over code": "See [1] `](https://evil.test/?q=x)`",
    "a label over a fence": "See [1]\n```\n](https://evil.test/?q=x)\n```",
    "a label over a fence in a quote": "> See [1]\n> ```\n> ](https://evil.test/?q=x)\n> ```",
    "a list that takes a fence's first line": "- \n```\nhttps://evil.test/?q=x\n```",
    "a numbered list that takes a fence's first line": "1. \n```\nhttps://evil.test/?q=x\n```",
    "a heading that takes a fence's first line": "#\n```\nhttps://evil.test/?q=x\n```",
    "a heading with a fence on its line": "# ```\nhttps://evil.test/?q=x\n```",
    "a quote with a fence on its last line": "> ```\nhttps://evil.test/?q=x\n```",
    "bold that ends in code": "**a `**https://evil.test/?q=x`",
    "italics that end in code": "*a `b*https://evil.test/?q=x`",
    "a spoiler that ends in code": "||a `||https://evil.test/?q=x`",
    "a backtick that was escaped": r"\`https://evil.test/?q=x`",
    "an address with a strange scheme": "<steam:/https://evil.test/?q=x>",
    "an address without its slashes": "[a](https:evil.test/?q=x)",
    "an address behind a word": "漢https://evil.test/?q=x",
    "an address in a title": "[a](b 'c')https://evil.test/?q=x",
    "an address in an address": "<<https://evil.test/?q=x>",
    "an address in a link's address": "[1]([a](https://evil.test/?q=x)",
    "an address over lines": "<https://evil.test/\n?q=x>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_might_be_live_is_a_possible_link(text: str) -> None:
    assert any("evil.test/" in link.url for link in possible_links(text))
    assert not any("evil.test/" in code for code in certain_code(text))


@pytest.mark.parametrize(
    "text",
    [
        "discord.gg/abc",
        "Discord.GG/abc",
        "<discord.gg/abc:/x",
        "<discord.gg/abc:/x>",
        "https://discord.gg/abc",
        "**discord.com/invite/abc**",
        "discordapp.com/invite/abc",
        r"discord\.gg/abc",
        "(discord.gift/abc)",
        "[a](discord.gg/abc) discord.gg/b",
    ],
)
def test_an_invite_is_live_with_a_scheme_or_without(text: str) -> None:
    assert all(any(link.kind == "invite" for link in reading.live_links) for reading in readings(text))


@pytest.mark.parametrize(
    "text", ["`discord.gg/abc`", "```\ndiscord.gg/abc\n```", "mydiscord.gg/abc", "discord.gg", "discord[.]gg/abc"]
)
def test_what_is_no_invite(text: str) -> None:
    assert possible_links(text) == set()


def test_labels_that_pretend_to_be_an_address_are_shown_literally_by_the_client() -> None:
    assert not any(link.kind == "masked" for link in live_links("[https://a.test](https://b.test)"))
    assert Link("https://a.test", "https://b.test", "masked") in possible_links("[https://a.test](https://b.test)")


@pytest.mark.parametrize("text", ["[ ](https://a.test", "[a](b)", "[a](#b)", "handlers[name](event)", "[a](/b)"])
def test_what_leads_nowhere_is_not_live(text: str) -> None:
    assert not any(link.kind == "masked" for link in possible_links(text))


def test_one_bracket_too_many_behind_an_address_is_the_sentences() -> None:
    assert [link.url for link in live_links("(see https://a.test/b_(c)) (https://d.test)")] == [
        "https://a.test/b_(c)",
        "https://d.test",
    ]


def test_lists_are_short_for_the_client_and_long_as_published() -> None:
    short, long = outline(render("- a\nb")), outline(render("- a\nb", "published"))
    assert (short, long) == ("<ul><li>a</li></ul>b", "<ul><li>a\nb</li></ul>")


def test_a_list_begins_at_a_later_line_and_within_a_later_item() -> None:
    assert outline(render("a\n1. b\n2. - c")) == "a\n<ol 1><li>b</li><li><ul><li>c</li></ul></li></ol>"


def test_a_fence_of_tildes_is_none() -> None:
    assert outline(render("~~~\na\n~~~")) == "<s>~\na\n</s>~"
    assert outline(render("~~~\na\n~~~", "careful")) == "~~~\na\n~~~"


def test_lists_nest_eleven_deep() -> None:
    assert outline(render("- " * 12 + "a")).count("<ul>") == 11


def test_what_follows_an_indented_list_is_all_there() -> None:
    assert shown_text("a\n  - b\nc") == "a\n• b\nc"


def test_helpers_give_code_names_and_words() -> None:
    text = "# Title\nRun `pip` as <@1>:\n```sh\npip --help\n```\n- **one**\n- two\n\n> said @here"
    assert code_blocks(text) == [CodeBlock("pip --help", "sh")]
    assert code_spans(text) == ["pip"]
    assert mentions(text) == [Mention("user", "1"), Mention("here", "here")]
    assert shown_text(text) == "Title\nRun pip as @1:\npip --help\n• one\n• two\nsaid @here"
    assert certain_code(text) == {"pip": 1, "pip --help": 1}
