"""Pages named in a list: what is fetched, what never is, and what stays when a site does not answer."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import IngestionRefused
from bot.knowledge.ingestion.ingestion import Ingestion
from bot.knowledge.sources.web.addresses import (
    AddressRefused,
    CrawlTarget,
    build_page_name,
    extract_links,
    is_below,
    is_public_address,
    is_url_list,
    is_url_list_text,
    normalize_url,
    parse_list_path,
    parse_url_list,
    resolve_redirect,
)
from bot.knowledge.sources.web.fetcher import Fetcher, FetchLimits, NetworkPolicy, _resolve_host, parse_robots
from bot.knowledge.stores.sqlite import NO_EMBEDDING, SqliteStore
from tests.fakes.passages import search_by_keywords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from bot.domain import IngestionReport
    from bot.knowledge.sources.web.page_cache import CachedPage

ALL_COLLECTIONS = frozenset({"", "legal"})
LOCALHOST = "127.0.0.1"


# --- Which machines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.88.99.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "5f00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::8.8.8.8",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "0177.0.0.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "example.com",
        "127.1",
    ],
)
def test_private_ip_addresses_are_refused(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::8.8.8.8"]
)
def test_public_ip_addresses_are_allowed(address: str) -> None:
    assert is_public_address(address)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself(address: object) -> None:
    assert (
        is_public_address(f"::ffff:{address}")
        == is_public_address(f"64:ff9b::{address}")
        == is_public_address(str(address))
    )


# --- Which addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("file:///etc/passwd", "only http"),
        ("gopher://example.com/", "only http"),
        ("javascript:alert(1)", "only http"),
        ("//example.com/", "only http"),
        ("https://ada:secret@example.com/", "password"),
        ("https://:@example.com/", "password"),
        ("https://example.com:22/", "port 22"),
        ("http:///path", "no host"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https://example.com/\x00", "control"),
        ("https://example.com:99999/", "not a web address"),
        ("http://2130706433/", "is a number"),
        ("http://0177.0.0.1/", "is a number"),
        ("http://0x7f.1/", "is a number"),
        ("http://127.1/", "is a number"),
        ("http://127.0.0.1./", "is a number"),
        ("https://example.com/" + "a" * 2_000, "longer"),
    ],
)
def test_invalid_web_address_is_refused(address: str, reason: str) -> None:
    with pytest.raises(AddressRefused, match=reason):
        normalize_url(address)


@given(st.text(max_size=60))
def test_a_plain_address_stays_as_it_is(rest: str) -> None:
    try:
        address = normalize_url("https://example.com/" + rest)
    except AddressRefused:
        return
    assert normalize_url(address) == address
    assert address.startswith("https://example.com/")
    assert "#" not in address


def test_url_list_holds_addresses_comments_and_trees() -> None:
    text = (
        "\ufeff# Ours\n\nhttps://example.com/a#top  # the first\nhttps://example.com/docs/ *\nftp://x/y\nhttps://a b\n"
    )
    one, two, three, four = parse_url_list(text)
    assert one == CrawlTarget(3, "https://example.com/a")
    assert two == CrawlTarget(4, "https://example.com/docs/", is_tree=True)
    assert (three.line, four.line) == (5, 6)
    assert "only http" in three.fault
    assert "space" in four.fault


def test_an_address_listed_twice_is_wanted_once() -> None:
    assert parse_url_list("https://a.example\nhttps://a.example/\nhttps://A.example/ *") == [
        CrawlTarget(3, "https://a.example/", is_tree=True)
    ]


@given(st.text())
def test_url_list_parses_any_text(text: str) -> None:
    assert all(each.fault or normalize_url(each.address) == each.address for each in parse_url_list(text))


def test_links_are_found_as_a_browser_would() -> None:
    page = (
        "<base href='/d/'><a class=x href='a.html#here'>A</a><!-- <a href=hidden> --><A\nHREF=\"b?x=1&amp;y=2\">"
        "<a href=mailto:a@b.c><abbr href=no><script>'<a href=code>'</script><a href=//other.example/><a href=a.html>"
    )
    assert extract_links(page, "https://example.com/x") == [
        "https://example.com/d/a.html",
        "https://example.com/d/b?x=1&y=2",
        "https://other.example/",
    ]


@given(st.lists(st.sampled_from(["<a ", "href=", '"', "'", "<!--", "-->", "<script", "</script>", "/x", ">", "İ"])))
def test_links_of_any_page_are_plain_addresses(pieces: list[str]) -> None:
    assert all(normalize_url(link) == link for link in extract_links("".join(pieces), "https://example.com/"))


@pytest.mark.parametrize(
    ("page", "start", "is_so"),
    [
        ("https://e.com/docs/a", "https://e.com/docs/", True),
        ("http://e.com/docs", "https://e.com/docs/", True),
        ("https://e.com/docs/a", "https://e.com/docs/index.html", True),
        ("https://e.com/docsify", "https://e.com/docs", False),
        ("https://e.com/", "https://e.com/docs/", False),
        ("https://evil.com/docs/a", "https://e.com/docs/", False),
    ],
)
def test_a_page_is_below_another_by_host_and_folder(page: str, start: str, *, is_so: bool) -> None:
    assert is_below(page, start) is is_so


def test_page_names_are_distinguished_from_file_names() -> None:
    assert build_page_name("@legal/urls.txt", "https://e.com/a/?q=1") == "@legal/urls.txt/e.com/a?q=1"
    assert parse_list_path("@legal/urls.txt/e.com/a") == "@legal/urls.txt"
    assert parse_list_path("urls.txt/e.com") == "urls.txt"
    assert [parse_list_path(name) for name in ("urls.txt", "a/urls.txt/x", "my-urls.txt/x", "a.md")] == [None] * 4
    assert [is_url_list(name) for name in ("urls.txt", "@legal/urls.txt", "sub/urls.txt", "@a/b/urls.txt")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://x/", "http://u:p@h/", "http://h:25/", ""])
def test_redirect_to_a_non_web_address_is_refused(location: str) -> None:
    with pytest.raises(AddressRefused):
        resolve_redirect("https://example.com/", location)


# --- A site on this machine ----------------------------------------------------------------------------------------


@dataclass
class Site:
    """A real server: pages by path, each a function or the text of a page; it remembers what it was asked."""

    port: int = 0
    pages: dict[str, str | bytes | Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=dict)
    requested_paths: list[str] = field(default_factory=list)
    fails: bool = False
    resolve: Callable[[str], Awaitable[list[str]]] | None = None

    def url_of(self, path: str = "/") -> str:
        return f"http://docs.example:{self.port}{path}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requested_paths.append(request.path_qs)
        if self.fails:
            return web.Response(status=503)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if callable(page):
            return await page(request)
        body = page if isinstance(page, bytes) else page.encode()
        response = web.Response(body=body, content_type="text/plain" if request.path == "/robots.txt" else "text/html")
        response.etag = str(hash(body))
        response.headers["Last-Modified"] = "Tue, 01 Sep 2026 10:00:00 GMT"
        if request.headers.get("If-None-Match") == response.headers["ETag"]:
            return web.Response(status=304)
        return response

    @property
    def network_policy(self) -> NetworkPolicy:
        async def resolve(host: str) -> list[str]:
            return [LOCALHOST] if host == "docs.example" else await _resolve_host(host)

        return NetworkPolicy(self.resolve or resolve, {(LOCALHOST, self.port)})

    async def fetch(self, path: str = "/", fetch_limits: FetchLimits | None = None) -> CachedPage:
        async with Fetcher(self.network_policy, fetch_limits or FetchLimits(pause=0)) as fetcher:
            return await fetcher.fetch(self.url_of(path))

    async def fetch_error(self, path: str = "/", fetch_limits: FetchLimits | None = None) -> str:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - what kind it is stands in its words
            await self.fetch(path, fetch_limits)
        return str(caught.value)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOCALHOST, 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@dataclass
class CrawlSetup:
    """A documents' folder, its index, and a site that its lists name."""

    folder: Path
    site: Site

    def __post_init__(self) -> None:
        self.root = self.folder / "documents"
        self.root.mkdir()

    def write_list(self, *lines: str, path: str = "urls.txt") -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text("\n".join(lines))

    def open_store(self) -> SqliteStore:
        return SqliteStore(self.folder / "state" / "index.sqlite", NO_EMBEDDING)

    def create_ingestion(self) -> Ingestion:
        spool = self.folder / "state" / "reading.sqlite"
        return Ingestion(
            self.root,
            self.open_store(),
            None,
            NO_EMBEDDING,
            spool=spool,
            network_policy=self.site.network_policy,
            fetch_limits=FetchLimits(pause=0),
        )

    async def run(self, *, is_dry: bool = False) -> IngestionReport:
        return await asyncio.to_thread(self.create_ingestion().run, dry_run=is_dry)

    def build_page_name(self, path: str) -> str:
        return build_page_name("urls.txt", self.site.url_of(path))


@pytest.fixture
def place(tmp_path: Path, site: Site) -> CrawlSetup:
    return CrawlSetup(tmp_path, site)


async def test_a_listed_page_becomes_searchable_with_its_title_address_and_date(place: CrawlSetup) -> None:
    place.site.pages["/refunds"] = "<title>Refunds</title><p>Money back within thirty days.</p>"
    place.write_list(place.site.url_of("/refunds"), path="@legal/urls.txt")
    report = await place.run()
    document = build_page_name("@legal/urls.txt", place.site.url_of("/refunds"))
    assert (report.new, report.failed) == ([document], {})
    (hit,) = await search_by_keywords(place.open_store(), "money", frozenset({"legal"}), top_k=5)
    assert hit.node.metadata["title"] == "Refunds"
    assert hit.node.metadata["url"] == place.site.url_of("/refunds")
    assert hit.node.metadata["modified"] == "2026-09-01T10:00:00+00:00"
    assert await search_by_keywords(place.open_store(), "money", frozenset({""}), top_k=5) == []


async def test_an_unchanged_page_is_neither_sent_nor_read_again(place: CrawlSetup) -> None:
    place.site.pages["/"] = "<p>Unchanging words.</p>"
    place.write_list(place.site.url_of())
    await place.run()
    before = (place.folder / "state" / "pages").stat().st_mtime_ns
    report = await place.run()
    assert (report.unchanged, report.new, report.changed) == (1, [], [])
    assert (place.folder / "state" / "pages").stat().st_mtime_ns == before
    assert not place.create_ingestion().has_changed(place.build_page_name("/"))


async def test_changed_page_replaces_its_cached_version(place: CrawlSetup) -> None:
    place.site.pages["/"] = "<p>Old words.</p>"
    place.write_list(place.site.url_of())
    await place.run()
    place.site.pages["/"] = "<p>New words.</p>"
    assert (await place.run(is_dry=True)).changed == [place.build_page_name("/")]
    assert place.create_ingestion().has_changed(place.build_page_name("/"))
    assert (await place.run()).changed == [place.build_page_name("/")]
    hits = await search_by_keywords(place.open_store(), "words", ALL_COLLECTIONS, top_k=5)
    assert [hit.node.get_content() for hit in hits] == ["New words."]


async def test_a_tree_is_followed_below_its_path_and_nowhere_else(place: CrawlSetup) -> None:
    place.site.pages |= {
        "/docs/": "<p>Start.</p><a href=a>a</a><a href=/private>no</a><a href=http://elsewhere.example/docs/>no</a>",
        "/docs/a": "<p>A.</p><a href=b>b</a><a href=.>back</a>",
        "/docs/b": "<p>B.</p><a href=c>c</a>",
        "/docs/c": "<p>C.</p><a href=d>d</a>",
        "/docs/d": "<p>Too deep.</p>",
        "/private": "<p>Secret.</p>",
    }
    place.write_list(place.site.url_of("/docs/") + " *")
    report = await place.run()
    assert report.new == [place.build_page_name(path) for path in ("/docs", "/docs/a", "/docs/b", "/docs/c")]
    assert sorted(place.site.requested_paths) == sorted(["/robots.txt", "/docs/", "/docs/a", "/docs/b", "/docs/c"])


async def test_a_tree_has_at_most_two_hundred_pages(place: CrawlSetup) -> None:
    place.site.pages["/"] = "<p>Many.</p>" + "".join(f"<a href=/p{number}>x</a>" for number in range(250))
    place.write_list(place.site.url_of() + " *")
    report = await place.run()
    assert len(place.site.requested_paths) == 201
    assert "more than 200 pages" in report.failed["urls.txt:1"]


async def test_a_site_that_does_not_answer_keeps_what_was_fetched(place: CrawlSetup) -> None:
    place.site.pages |= {"/": "<p>Refunds.</p><a href=/a>a</a>", "/a": "<p>Holidays.</p>"}
    place.write_list(place.site.url_of() + " *")
    await place.run()
    place.site.fails = True
    report = await place.run()
    assert report.removed == []
    assert "503" in report.failed[place.build_page_name("/")]
    assert "stays searchable" in report.failed[place.build_page_name("/")]
    assert len(await search_by_keywords(place.open_store(), "refunds holidays", ALL_COLLECTIONS, top_k=5)) == 2


async def test_pages_stay_if_their_start_page_is_lost_and_its_cache_too(place: CrawlSetup) -> None:
    place.site.pages |= {"/": "<p>Refunds.</p><a href=/a>a</a>", "/a": "<p>Holidays.</p>"}
    place.write_list(place.site.url_of() + " *")
    await place.run()
    for path in (place.folder / "state" / "pages").iterdir():
        path.unlink()
    place.site.fails = True
    assert (await place.run()).removed == []


async def test_page_that_is_gone_is_removed_and_reported(place: CrawlSetup) -> None:
    place.site.pages |= {"/": "<p>One.</p>", "/two": "<p>Two.</p>"}
    place.write_list(place.site.url_of("/"), place.site.url_of("/two"))
    await place.run()
    del place.site.pages["/two"]
    report = await place.run()
    assert report.removed == [place.build_page_name("/two")]
    assert report.failed == {"urls.txt:2": "the site answers 404: there is no such page"}
    assert len(list((place.folder / "state" / "pages").iterdir())) == 2
    await place.run()
    assert len(list((place.folder / "state" / "pages").iterdir())) == 1


async def test_a_page_no_longer_listed_is_removed_and_a_list_is_no_document(place: CrawlSetup) -> None:
    place.site.pages["/"] = "<p>One.</p>"
    place.write_list(place.site.url_of("/"))
    assert (await place.run()).new == [place.build_page_name("/")]
    place.write_list("")
    assert (await place.run()).removed == [place.build_page_name("/")]
    assert place.open_store().manifest() == {}


async def test_a_list_that_cannot_be_read_removes_nothing(place: CrawlSetup) -> None:
    place.site.pages["/"] = "<p>One.</p>"
    place.write_list(place.site.url_of("/"))
    await place.run()
    (place.root / "urls.txt").write_bytes(b"\x7fELF\x00\x00")
    report = await place.run()
    assert (report.removed, report.failed) == ([], {"urls.txt": "binary content"})
    (place.root / "urls.txt").unlink()
    (place.root / "urls.txt").symlink_to("nowhere.txt")
    report = await place.run()
    assert (report.removed, list(report.failed)) == ([], ["urls.txt"])


async def test_a_run_stops_while_a_site_is_silent(place: CrawlSetup) -> None:
    entered = asyncio.Event()

    async def stay_silent(_: web.Request) -> web.StreamResponse:
        entered.set()
        await asyncio.sleep(60)
        raise AssertionError

    place.site.pages["/"] = stay_silent
    place.write_list(place.site.url_of("/"))
    ingestion = place.create_ingestion()
    running = asyncio.create_task(asyncio.to_thread(ingestion.run))
    await entered.wait()
    ingestion.stop()
    with pytest.raises(IngestionRefused):
        await asyncio.wait_for(running, 10)


# --- Attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2",
        "127.1.2.3",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.2]",
        "[64:ff9b::7f00:2]",
        "2130706434",
        "0177.0.0.2",
        "0x7f000002",
        "127.2",
        "10.0.0.1",
        "localhost",
    ],
)
async def test_redirect_into_a_private_network_is_refused(site: Site, host: str) -> None:
    async def sends_on(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"http://{host}:{site.port}/secret")

    async def only_names(name: str) -> list[str]:
        return (
            [LOCALHOST]
            if name == "docs.example"
            else ["127.0.0.2"]
            if name == "localhost"
            else await _resolve_host(name)
        )

    site.resolve = only_names
    site.pages |= {"/": sends_on, "/secret": "<p>Secret.</p>"}
    reason = await site.fetch_error()
    assert "not on the public internet" in reason or "its host is a number" in reason
    assert "/secret" not in site.requested_paths


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["127.0.0.2"], [LOCALHOST, "127.0.0.2"], ["::1"], ["fe80::1"]])
async def test_host_name_that_resolves_to_a_private_address_is_refused(site: Site, answer: list[str]) -> None:
    async def resolve(_: str) -> list[str]:
        return answer

    site.resolve = resolve
    site.pages["/"] = "<p>Secret.</p>"
    assert "not on the public internet" in await site.fetch_error()
    assert site.requested_paths == []


async def test_host_name_is_resolved_and_checked_at_each_connection(site: Site) -> None:
    answers = [[LOCALHOST], ["127.0.0.2"]]
    looked_up: list[str] = []

    async def resolve(host: str) -> list[str]:
        looked_up.append(host)
        return answers[min(len(looked_up), 2) - 1]

    async def closes(_: web.Request) -> web.StreamResponse:
        return web.Response(text="", headers={"Connection": "close"})

    site.resolve = resolve
    site.pages |= {"/robots.txt": closes, "/": "<p>Secret.</p>"}
    assert "not on the public internet" in await site.fetch_error()
    assert site.requested_paths == ["/robots.txt"]
    assert len(looked_up) == 2


async def test_a_numeric_address_in_a_list_is_refused_too(site: Site) -> None:
    async with Fetcher(site.network_policy, FetchLimits(pause=0)) as fetcher:
        for host in ("127.0.0.2", "[::1]", "169.254.169.254"):
            with pytest.raises(AddressRefused, match="not on the public internet"):
                await fetcher.fetch(f"http://{host}/")
    assert site.requested_paths == []


async def test_circular_or_endless_redirect_is_refused(site: Site) -> None:
    async def circle(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/b" if request.path == "/" else "/")

    async def endless(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{request.path}x")

    site.pages |= {"/": circle, "/b": circle} | {"/e" + "x" * count: endless for count in range(20)}
    assert "in a circle" in await site.fetch_error()
    assert "more than 5 times" in await site.fetch_error("/e")


async def test_the_address_of_a_page_is_where_redirects_end(site: Site) -> None:
    async def redirect(_: web.Request) -> web.StreamResponse:
        raise web.HTTPMovedPermanently("/new")

    site.pages |= {"/": redirect, "/new": "<p>Here.</p>"}
    assert (await site.fetch()).address == site.url_of("/new")


async def test_page_over_the_size_limit_is_refused(site: Site) -> None:
    site.pages["/"] = b"<p>" + b"x" * 300_000
    assert "larger than" in await site.fetch_error(fetch_limits=FetchLimits(size=100_000, pause=0))


@pytest.mark.parametrize("layers", [1, 2])
async def test_page_that_decompresses_over_the_limit_is_refused(site: Site, layers: int) -> None:
    body = b"0" * 50_000_000
    for _ in range(layers):
        body = gzip.compress(body)

    async def bomb(_: web.Request) -> web.StreamResponse:
        encoding = ", ".join(["gzip"] * layers)
        return web.Response(body=body, headers={"Content-Encoding": encoding, "Content-Type": "text/html"})

    site.pages["/"] = bomb
    assert ("larger than" if layers == 1 else "packed in a way") in await site.fetch_error()


async def test_a_packed_page_is_unpacked(site: Site) -> None:
    async def send_packed(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=gzip.compress(b"<p>Unpacked.</p>"), headers={"Content-Encoding": "gzip", "Content-Type": "text/html"}
        )

    site.pages["/"] = send_packed
    assert (await site.fetch()).body == b"<p>Unpacked.</p>"


async def test_page_that_is_sent_too_slowly_is_refused(site: Site) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    site.pages["/"] = trickle
    assert "took longer than" in await site.fetch_error(fetch_limits=FetchLimits(seconds=0.4, pause=0))


async def test_robots_txt_is_fetched_once_and_obeyed(site: Site) -> None:
    site.pages |= {
        "/robots.txt": "User-agent: Docent\nDisallow: /private",
        "/private": "<p>Secret.</p>",
        "/open": "<p>Open.</p>",
    }
    async with Fetcher(site.network_policy, FetchLimits(pause=0)) as fetcher:
        await fetcher.fetch(site.url_of("/open"))
        with pytest.raises(Exception, match=r"robots\.txt asks"):
            await fetcher.fetch(site.url_of("/private"))
    assert site.requested_paths == ["/robots.txt", "/open"]


async def test_site_with_unreadable_robots_txt_is_skipped(site: Site) -> None:
    site.fails = True
    assert "robots.txt cannot be read now" in await site.fetch_error()


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "application/octet-stream", ""])
async def test_page_with_a_binary_content_type_is_refused(site: Site, kind: str) -> None:
    async def picture(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x89PNG\x00", headers={"Content-Type": kind})

    site.pages["/"] = picture
    assert "of a kind that cannot be read" in await site.fetch_error()


async def test_binary_served_as_html_is_refused_when_read(place: CrawlSetup) -> None:
    place.site.pages |= {"/": b"\x7fELF\x00\x01" * 99, "/good": "<p>Good.</p>"}
    place.write_list(place.site.url_of("/"), place.site.url_of("/good"))
    report = await place.run()
    assert (report.new, report.failed) == (
        [place.build_page_name("/good")],
        {place.build_page_name("/"): "binary content"},
    )


async def test_text_is_decoded_with_the_charset_of_the_response(site: Site) -> None:
    async def old(_: web.Request) -> web.StreamResponse:
        return web.Response(body="Übung".encode("cp1252"), headers={"Content-Type": "text/plain; charset=windows-1252"})

    site.pages["/"] = old
    page = await site.fetch()
    assert (page.kind, page.body.decode()) == (".txt", "Übung")


async def test_no_cookie_of_one_page_is_sent_to_the_next(site: Site) -> None:
    cookies: list[str] = []

    async def bakes(request: web.Request) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie", ""))
        return web.Response(text="<p>x</p>", content_type="text/html", headers={"Set-Cookie": "who=me; Path=/"})

    site.pages |= {"/a": bakes, "/b": bakes}
    async with Fetcher(site.network_policy, FetchLimits(pause=0)) as fetcher:
        await fetcher.fetch(site.url_of("/a"))
        await fetcher.fetch(site.url_of("/b"))
    assert cookies == ["", ""]


# --- robots.txt as strangers write it


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\nCrawl-delay: \u00b2\n",
        "User-agent: *\nCrawl-delay: " + "9" * 5_000 + "\n",
        "User-agent: *\nCrawl-delay: nan\n",
        "User-agent: *\nCrawl-delay: -5\n",
        "User-agent: *\nRequest-rate: 1/" + "9" * 5_000 + "\nVisit-time: 9999-99999\n",
        "User-agent: *\nDisallow: http://[x\n",
        "Disallow: /\x00\udcff\n: : :\n" + "Sitemap\n" * 1_000,
        "User-agent: *\nDisallow: /" + "*a" * 2_000 + "$\n",
    ],
)
def test_any_robots_txt_is_parsed_and_its_delay_is_bounded(text: str) -> None:
    rules = parse_robots(text)
    assert 0 <= rules.crawl_delay <= 10
    assert rules.allows("https://site.example/page")


@pytest.mark.parametrize(
    ("rule", "address", "is_allowed"),
    [
        ("Disallow: /*.pdf$", "https://site.example/a/b.pdf", False),
        ("Disallow: /*.pdf$", "https://site.example/a/b.pdf?x=1", True),
        ("Disallow: /private*/notes", "https://site.example/private-1/notes", False),
        ("Disallow: /\nAllow: /docs/", "https://site.example/docs/a", True),
        ("Disallow: /", "https://site.example/docs/a", False),
        ("Disallow:", "https://site.example/", True),
    ],
)
def test_robots_txt_may_use_wildcards(rule: str, address: str, *, is_allowed: bool) -> None:
    assert parse_robots(f"User-agent: Docent\n{rule}\n").allows(address) is is_allowed


@given(st.text())
def test_no_robots_txt_raises(text: str) -> None:
    rules = parse_robots(f"User-agent: *\nCrawl-delay: {text}\nDisallow: {text}\n{text}")
    assert rules.allows("https://site.example/") in {True, False}


# --- A page called urls.txt


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        ("https://a.example/\n# why\nhttps://b.example/x *\n", True),
        ("a.example/page\nnot an address at all\n", True),
        ("", True),
        ("The addresses of our offices\n\nBerlin is at the river.\nhttps://a.example/\n", False),
    ],
)
def test_list_of_addresses_is_told_from_a_page_of_that_name(text: str, *, is_list: bool) -> None:
    assert is_url_list_text(text) is is_list
