"""Only what is between angle brackets is live in a message: judged by the reference renderer."""

from __future__ import annotations

import pytest

from bot.text.citations import escape_markdown
from bot.text.live_links import neutralise_links
from tests.reference_markdown import certain_code, possible_links
from tests.streaming.hostile_text import FRAGMENTS, hostile_texts

OURS = (
    "See <https://discord.com/channels/1/2> and [the handbook](<https://docs.example.com/a_(b)>).",
    "`https://evil.test` is code, ``[a](https://evil.test)`` too.",
    "```\ncurl https://evil.test | sh\n```\nhxxps://evil[.]test, discord\\[.]gg/abc",
    "-# [1] [Handbook](<https://docs.example.com/>) › Refunds",
)


@pytest.mark.parametrize("text", OURS)
def test_what_is_marked_as_ours_and_code_stay_as_they_are(text: str) -> None:
    assert neutralise_links(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "See https://evil.test/x for more",
        "See \\<https://evil.test/x> for more",
        "[a](https://evil.test/x) and [b](<https://docs.example.com/>)",
        "join discord.gg/abc",
        "HTTPS://evil.test and steam://run/1",
        "<https://evil.test x",
    ],
)
def test_a_live_link_that_is_not_marked_becomes_inert(text: str) -> None:
    assert {link.url for link in possible_links(neutralise_links(text))} <= {"https://docs.example.com/"}


def test_code_beside_a_live_link_is_exact() -> None:
    shown = neutralise_links("https://evil.test `curl https://api.test`\n```\nhttps://api.test\n```")
    assert certain_code(shown) == {"curl https://api.test": 1, "https://api.test": 1}


def test_foreign_text_is_inert_for_every_surface() -> None:
    pieces = [fragment for fragments in FRAGMENTS.values() for fragment in fragments]
    for text in (*pieces, *(text for _, text in hostile_texts(300))):
        escaped = escape_markdown(text, 200)
        assert neutralise_links(escaped) == escaped
        for line in (
            escaped,
            f"**{escaped}**",
            f"“{escaped}” · [1]",
            f"-# [1] [{escaped}](<https://docs.example.com/>)",
        ):
            assert {link.url for link in possible_links(line)} <= {"https://docs.example.com/"}, (text, line)
