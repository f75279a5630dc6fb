"""What the link guard promises: no link that is not a source's is ever live, and nothing else is changed."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.links import LinkGuard, neutralise_links
from bot.streaming.paging import Pager

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

SOURCE = "https://docs.example.com/handbook"
OTHER = "https://docs.example.com/handbook/refunds?a=1#b"
BARE = "https://example.com"
ALLOWED = (SOURCE, OTHER, BARE)

ADDRESSES = [
    *ALLOWED,
    "http://evil.test",
    "HTTPS://Evil.Test/a.b?c=d",
    "https://example.com@evil.test/x",
    "https://xn--e1afmkfd.test/",
    "ht\u200btps://evil.test",
    "h\u00adttp\u2060://evil.test",
    "discord://-/channels",
    "steam://run/440",
    "https:/\\evil.test",
    "javascript://x",
    "foo:/bar",
    "discord.gg/abc",
    "Discord.com/invite/abc",
]
GLUE = [
    "](",
    "[label](",
    "![alt](",
    "[a]: ",
    "<",
    ">",
    ")",
    "](<",
    ".",
    ",",
    "!",
    " ",
    "\n",
    "\n\n",
    "*",
    "**",
    "||",
    "_",
    "\\",
    "@",
    "/",
]
CODE = ["`", "``", "```", "\n```\n", "\n```py\n", "\n  ```sh\n", "- item\n", "> quote ", "~~~\n", "x = 1\n", "`a`"]
HALVES = [
    "h",
    "ht",
    "https",
    "https:",
    "http:/",
    "://",
    "//",
    "docs.",
    "example.com",
    "evil.test",
    "漢字",
    "\u200b",
    "@everyone",
    "<@123>",
]

hostile = st.lists(
    st.one_of(
        st.sampled_from(ADDRESSES),
        st.sampled_from(ADDRESSES),
        st.sampled_from(GLUE),
        st.sampled_from(CODE),
        st.sampled_from(HALVES),
        st.text(max_size=4),
    ),
    max_size=25,
).map("".join)

# Discord's rules in its order, as published for its Markdown dialect; the first that matches at a place wins there.
RULES = [
    ("escape", re.compile(r"\\[^0-9A-Za-z\s]")),
    ("code", re.compile(r"```(?:[a-z0-9_+\-.#]+?\n)?\n*(?:[^\n][\s\S]*?)\n*```", re.IGNORECASE)),
    ("link", re.compile(r"<([^: >]+:/[^ >]+)>")),
    ("link", re.compile(r"((?:https?|steam|discord)://[^\s<]+[^<.,:;\"'\]\s])", re.IGNORECASE)),
    ("link", re.compile(r"\[[^\]]*\]\(\s*<?([^\s>)]*)>?[^)]*\)")),
    ("code", re.compile(r"(`+)[\s\S]*?[^`]\1(?!`)")),
    ("text", re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)")),
    ("text", re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)")),
    ("text", re.compile(r"\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)")),
    ("text", re.compile(r"\b_((?:__|\\[\s\S]|[^\\_])+?)_\b")),
    ("text", re.compile(r"~~([\s\S]+?)~~(?!_)")),
    ("text", re.compile(r"\|\|([\s\S]+?)\|\|")),
]


def find_live_links(message: str) -> list[str]:
    """The addresses that Discord would make live in a message."""
    found: list[str] = []
    place = 0
    while place < len(message):
        name, match = next(((n, m) for n, rule in RULES if (m := rule.match(message, place))), ("", None))
        if name == "link" and match is not None:
            found.append(match[1])
        elif name == "text" and match is not None:
            found += find_live_links(match[1])
        place = match.end() if match is not None else place + 1
    return found


def find_foreign_links(message: str) -> list[str]:
    """Live links that are nobody's source; what begins with ``hxxp`` or ``http[:]`` leads nowhere."""
    live = [link for link in find_live_links(message) if not link.lower().startswith(("hxxp", "https[:]", "http[:]"))]
    return [link for link in live if not any(is_allowed(link, url) for url in ALLOWED)]


def is_allowed(link: str, url: str) -> bool:
    return link.startswith(url) and re.match(r"[)\]>.,:;!?'\"*_~|”’»]{0,6}\Z", link[len(url) :]) is not None


def test_the_detector_sees_live_links() -> None:
    assert find_foreign_links("see http://evil.test/x, HTTPS://a.b <foo:/bar> [a](x:y)") == [
        "http://evil.test/x",
        "HTTPS://a.b",
        "foo:/bar",
        "x:y",
    ]
    assert find_foreign_links("** `http://evil.test **` || `http://evil.test/2 ||`") == [
        "http://evil.test",
        "http://evil.test/2",
    ]
    assert find_foreign_links(f"```\nhttp://evil.test\n``` `http://evil.test` {SOURCE}.") == []


@given(hostile, st.lists(st.integers(0, 12)))
@unhurried
def test_link_guard_output_does_not_depend_on_chunking(text: str, sizes: list[int]) -> None:
    guard = LinkGuard(ALLOWED)
    rest, given_so_far = text, ""
    for size in sizes:
        given_so_far += guard.feed(rest[:size])
        rest = rest[size:]
    assert given_so_far + guard.feed(rest) + guard.flush() == neutralise_links(text, ALLOWED)


@given(hostile)
@example(f"](<{SOURCE}<@123>")
@example("<é:/x> <a_b:/x> <steam:/\\x>")
@example("a `b\n```\nc `http://evil.test\n```\n")
@example("```\n```\nhttp://evil.test\n```\nhttp://evil.test\n```")
@example(f"[a]({BARE})@evil.test/")
@example(f"{BARE}。evil.test")
@unhurried
def test_foreign_links_are_inert_in_every_state(text: str) -> None:
    guard, pager = LinkGuard(ALLOWED), Pager(1_000_000)
    for letter in text:
        pager.feed(guard.feed(letter))
        assert find_foreign_links(pager.open_page_with(guard.pending)) == []
    pager.feed(guard.flush())
    pager.flush()
    assert find_foreign_links(pager.open_page) == []


@given(
    st.lists(st.one_of(st.sampled_from(ADDRESSES), st.sampled_from(GLUE), st.text(max_size=9)), max_size=60).map(
        " ".join
    )
)
@unhurried
def test_foreign_links_are_inert_on_every_page(text: str) -> None:
    pager = Pager(300)
    pager.feed(neutralise_links(text, ALLOWED))
    pager.flush()
    assert [link for page in pager.pages for link in find_foreign_links(page.rendered)] == []


@given(
    st.lists(
        st.sampled_from(
            [
                "**",
                "*",
                "||",
                "~~",
                "__",
                "_",
                "`",
                " ",
                "\n",
                "\n\n",
                "word ",
                "`http://evil.test/` ",
                "`a **` ",
                "x" * 40,
            ]
        ),
        max_size=60,
    ).map("".join),
    st.sampled_from([100, 300]),
)
@example(f"{'x' * 60} **{'y' * 60} z** `http://evil.test **` a", 100)
@unhurried
def test_unclosed_code_at_a_page_break_makes_no_link_live(text: str, limit: int) -> None:
    pager = Pager(limit)
    pager.feed(neutralise_links(text, ALLOWED))
    pager.flush()
    assert [link for page in pager.pages for link in find_foreign_links(page.rendered)] == []


@pytest.mark.parametrize("start", range(0, 400, 40))
@pytest.mark.parametrize("joint", [",", "", "**", "** ", "* ", "||"])
def test_code_after_code_without_a_blank_is_never_cut_so_that_a_link_in_it_is_live(joint: str, start: int) -> None:
    lead = "Refunds are paid within four days of the day. " * 60
    spans = joint.join(f"`k{number} > http://evil.test/?q=S`" for number in range(80))
    for length in range(start, start + 40):
        pager = Pager()
        pager.feed(neutralise_links(f"{lead[:length].rstrip()} {spans}\n\nDone.", ALLOWED))
        pager.flush()
        assert [link for page in pager.pages for link in find_foreign_links(page.rendered)] == []


CODES_AND_MARKS = [
    *("`http://evil.test/ **`", "`** http://evil.test/ *`", "`|| http://evil.test/`", "`_ http://evil.test/ _`"),
    *("`[ http://evil.test/ ]( `", "`> http://evil.test`", "`k1`", "``http://evil.test/ ` ``", "`~~ http://evil.test`"),
    *("**", "*", "_", "||", "~~", "__", "[", "]", "\\", "<", " ", " word ", ",", "\n", "**bold** ", f"{SOURCE} "),
]


@given(
    st.lists(st.sampled_from(CODES_AND_MARKS), min_size=1, max_size=5).map("".join),
    st.integers(0, 400),
    st.integers(1, 400),
    st.sampled_from([128, 300, 2_000]),
)
@example("***`**`***`http://evil.test/ **`", 0, 9, 128)
@example("**`**`**`http://evil.test/` ", 0, 1, 2_000)
@example(f"`{'*' * 100} http://evil.test/`*it*", 0, 60, 2_000)
@example("é**,word`http://evil.test/ **`,**é", 0, 20, 2_000)
@settings(max_examples=60, deadline=None)
def test_repeated_text_has_no_live_link_on_any_page(said: str, lead: int, times: int, page: int) -> None:
    text = "x y " * (lead // 4) + (said * times)[:5_000]
    guard, pager = LinkGuard(ALLOWED, page), Pager(page)
    pager.feed(guard.feed(text) + guard.flush())
    pager.flush()
    assert [link for page in pager.pages for link in find_foreign_links(page.rendered)] == []


@given(hostile, hostile)
@unhurried
def test_link_guard_preview_equals_feeding_the_text(text: str, more: str) -> None:
    guard = LinkGuard(ALLOWED)
    guard.feed(text)
    before, ahead = guard.pending, guard.look_ahead(more)
    assert guard.pending == before
    assert guard.feed(more) + guard.pending == ahead


@given(hostile)
@unhurried
def test_link_guard_output_without_escapes_is_the_models_text(text: str) -> None:
    def plain(shown: str) -> str:
        seen = re.sub("[\u00ad\u200b-\u200f\u2060-\u206f]", "", shown)
        return (
            re.sub(r"[\[\] ]", "", seen).replace("hxxp", "http").replace("HXXP", "HTTP").replace("hxxP", "HTTP").lower()
        )

    assert plain(neutralise_links(text, ALLOWED)) == plain(text)


@given(st.text(alphabet="abc DEF.,!?*_`\n#>-()0123456789é漢", max_size=80))
@unhurried
def test_text_without_links_is_left_alone(text: str) -> None:
    assert neutralise_links(text, ALLOWED) == text


@pytest.mark.parametrize(
    "text",
    [
        f"See {SOURCE}.",
        f"See <{SOURCE}>, please",
        f"([Handbook]({SOURCE}), [Refunds]({OTHER})).",
        f"**{SOURCE}** and {OTHER}",
        f"[a]({SOURCE})[b]({OTHER})",
        f"![picture]({SOURCE})",
        "```sh\ncurl http://localhost:8080/health\n```\n",
        "Run `curl http://localhost:8080` now.",
        "1. Do:\n   ```bash\n   curl http://localhost\n   ```\n2. Then `http://x.test`.\n",
        "@everyone <@123> <@!4> <@&5> <#6> <:smile:7> <a:wave:8> <t:9:R> </ask:10>",
        "C:/Users, 10:30, and/or, a::b, key: value, 3 < 4, e.g. this, http status",
    ],
)
def test_safe_text_is_unchanged_by_the_link_guard(text: str) -> None:
    assert neutralise_links(text, ALLOWED) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://evil.test/a.b?c=d.", "See hxxps://evil[.]test/a.b?c=d."),
        ("HTTP://evil.test", "hxxp://evil[.]test"),
        ("[click](https://evil.test/x)", "[click] (hxxps://evil[.]test/x)"),
        ("![alt](https://evil.test/p.png)", "![alt] (hxxps://evil[.]test/p.png)"),
        ("<https://evil.test>", "<hxxps://evil[.]test>"),
        ("[a]: https://evil.test", "[a]: hxxps://evil[.]test"),
        ("https://good.test@evil.test/", "hxxps://good[.]test@evil[.]test/"),
        ("ht\u200btps\u200b://evil.test", "hxxps://evil[.]test"),
        ("https://xn--e1a.test", "hxxps://xn--e1a[.]test"),
        ("steam://run/1 discord://x", "steam[:]//run/1 discord[:]//x"),
        ("discord.gg/abc", "discord[.]gg/abc"),
        ("<bob@evil.test> <mailto:b@c.test> <+4930>", "<bob[@]evil.test> <mailto[:]b@c.test> <[+]4930>"),
        (f"{SOURCE}[1] and {SOURCE}.[2]", f"{SOURCE} [1] and {SOURCE}. [2]"),
        (f"{SOURCE}[SECRET {SOURCE}[1]SECRET", f"{SOURCE} [SECRET {SOURCE} [1]SECRET"),
        (f"<{SOURCE}[SECRET> [x]({SOURCE}[SECRET)", f"<{SOURCE} [SECRET> [x]({SOURCE} [SECRET)"),
        (f"x]({SOURCE})[SECRET", f"x]({SOURCE}) [SECRET"),
        (f"\\[x]({SOURCE})[SECRET", f"\\[x]({SOURCE}) [SECRET"),
        (f"[https://a.b]({SOURCE})[SECRET", f"[hxxps://a[.]b]({SOURCE}) [SECRET"),
        (f"{SOURCE}/more", "hxxps://docs[.]example[.]com/handbook/more"),
        (f"{SOURCE.upper()}", "hxxps://DOCS[.]EXAMPLE[.]COM/HANDBOOK"),
        (f"{BARE}@evil.test", "hxxps://example[.]com@evil[.]test"),
        (f"https://evil.test/?to={SOURCE}", f"hxxps://evil[.]test/?to={SOURCE}"),
        ("[x](https\\://evil.test)", "[x] (https\\://evil.test)"),
        ("~~~\nhttp://evil.test\n~~~", "~~~\nhxxp://evil[.]test\n~~~"),
        ("> ```\nhttp://evil.test\n```", "> ```\nhxxp://evil[.]test\n```"),
        ("- a\n  ```\nhttp://evil.test\n  ```", "- a\n  ```\nhxxp://evil[.]test\n  ```"),
        ("**\n```\na ** http://evil.test\n```", "**\n```\na ** hxxp://evil[.]test\n```"),
        ("`open http://evil.test", "`open hxxp://evil[.]test"),
    ],
)
def test_a_foreign_link_is_made_inert(text: str, shown: str) -> None:
    assert neutralise_links(text, ALLOWED).replace("hxxpS", "hxxps").replace("HXXP", "hxxp") == shown


def test_half_a_link_is_shown_inert_and_a_whole_source_is_live() -> None:
    guard = LinkGuard(ALLOWED)
    assert guard.feed("See https://docs.exam") == "See "
    assert guard.pending == "hxxps://docs[.]exam"
    assert guard.feed("ple.com/handbook") == ""
    assert guard.pending == SOURCE
    assert guard.feed("x") + guard.flush() == "hxxps://docs[.]example[.]com/handbookx"


@given(hostile)
@settings(max_examples=25, deadline=None)
def test_link_guard_buffer_is_bounded(text: str) -> None:
    guard = LinkGuard(ALLOWED)
    for letter in text * 20:
        guard.feed(letter)
        assert len(guard.pending) < 1_000


def test_the_cost_of_a_delta_does_not_grow_with_the_answer() -> None:
    guard = LinkGuard(ALLOWED)

    def seconds() -> float:
        start = time.process_time()
        for _ in range(500):
            guard.feed("some words, `code` and ")
            assert guard.pending is not None
        return time.process_time() - start

    first = seconds()
    for _ in range(300):
        guard.feed("some words\n" * 100)
    assert seconds() < 5 * first + 0.1
