"""Fetches web pages from public addresses alone, within limits of size, time and rate, as robots.txt allows."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import socket
import ssl
import zlib
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from protego import Protego
from yarl import URL

from bot.domain.proxies import NO_PROXIES, Proxies
from bot.errors import DocumentUnreadable
from bot.knowledge.sources.web.addresses import (
    PORTS,
    AddressRefused,
    is_public_address,
    normalize_url,
    resolve_redirect,
)
from bot.knowledge.sources.web.page_cache import CachedPage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping


_log = logging.getLogger(__name__)

USER_AGENT: Final = "Docent"
MAX_REDIRECTS: Final = 5
PARALLEL_PER_HOST: Final = 2

_PRIVATE_MESSAGE = "its host is not on the public internet; pages of private networks are not fetched"
_ROBOTS_BYTES = 512_000
_ROBOTS_LINE_CHARS = 2_000  # characters of a line that are read: no address is longer
_MAX_CRAWL_DELAY = 10.0  # seconds between two requests, however long a site would like it to be
_MAX_FAILURES = 3  # pages in a row that a host has not answered for
_SUFFIX_BY_MEDIA_TYPE = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/plain": ".txt",
}
_SUPPORTED_CHARSETS = re.compile(
    r"(?i)iso-?8859-\d+|windows-\d+|cp\d+|koi8-[ru]|gb\w+|big5\w*|shift_jis|euc-\w+|utf-?16\w*"
)


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """What a site's robots.txt asks of this crawler; ``crawl_delay`` is in seconds, within our own limit."""

    rules: Protego
    crawl_delay: float

    def allows(self, address: str) -> bool:
        """Whether this address may be fetched; one that the rules cannot be compared with may not."""
        try:
            return bool(self.rules.can_fetch(address, USER_AGENT))
        except Exception as error:  # noqa: BLE001 - a stranger's rules must cost no more than this address
            _log.warning("a robots.txt cannot be applied (%s)", type(error).__name__)
            return False


def parse_robots(text: str) -> RobotsRules:
    """Parse a robots.txt; lines that mean nothing are passed over."""
    lines = [line[:_ROBOTS_LINE_CHARS] for line in text.lstrip("\ufeff").splitlines()]
    rules = Protego.parse("\n".join(lines))
    delay = rules.crawl_delay(USER_AGENT)
    is_delay = delay is not None and math.isfinite(delay)
    return RobotsRules(rules, min(max(delay, 0.0), _MAX_CRAWL_DELAY) if is_delay and delay is not None else 0.0)


class PageGone(DocumentUnreadable):
    """The site says that there is no such page, or not any longer."""


class PageUnavailable(DocumentUnreadable):
    """A page that may well be had another day."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a page may cost: bytes before and after unpacking, seconds in all; ``pause`` seconds between requests."""

    size: int = 10 * 2**20
    seconds: float = 20.0
    pause: float = 0.2


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Which machines are reached: those on the public internet, and ``extra_endpoints`` these addresses and ports.

    ``resolve`` gives a host's numeric addresses. ``extra_endpoints`` is for tests on this machine; no setting leads
    here. Through one of ``proxies`` a host is reached whose name is not known here, or has public addresses alone.
    """

    resolve: Callable[[str], Awaitable[list[str]]] | None = None
    extra_endpoints: Collection[tuple[str, int]] = ()
    proxies: Proxies = NO_PROXIES

    @property
    def ports(self) -> frozenset[int]:
        """The ports that pages are fetched from."""
        return PORTS | {port for _, port in self.extra_endpoints}

    def allows(self, address: str, port: int) -> bool:
        """Whether a connection may be made to this numeric address."""
        return (is_public_address(address) and port in PORTS) or (address, port) in self.extra_endpoints


class _NotPublic(OSError):
    """A connection that is not made."""


class _CheckedResolver(AbstractResolver):
    """Names to numeric addresses, none if any one of them is not public: a name with both kinds is a trap."""

    def __init__(self, network_policy: NetworkPolicy) -> None:
        self._network_policy = network_policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await _resolve_checked(self._network_policy, host, port)
        kinds = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses}
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in kinds.items()
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def _resolve_checked(policy: NetworkPolicy, host: str, port: int) -> list[str]:
    """Return a host's numeric addresses.

    Raises:
        _NotPublic: One of them may not be connected to.
        OSError: The name is not known.
    """
    addresses = await (policy.resolve or _resolve_host)(host)
    if not all(policy.allows(address, port) for address in addresses):
        raise _NotPublic(_PRIVATE_MESSAGE)
    return addresses


async def _resolve_host(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer that is neither a redirect nor too large."""

    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Host:
    """How one host is treated: who else is asking, when it was asked last, how often it has kept silent."""

    semaphore: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL_PER_HOST))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_request_at: float = 0.0
    crawl_delay: float = 0.0
    failures: int = 0


class Fetcher:
    """Fetches pages as their sites' robots.txt allow; use it as an async context manager.

    Every connection is made to an address that was judged in that very moment, so that neither a redirect nor a name
    that changes its meaning leads into a private network. There are no cookies and no passwords. A proxy of the
    operator's connects by itself: then the address is judged before the request, where its name is known here.
    """

    def __init__(self, network_policy: NetworkPolicy | None = None, fetch_limits: FetchLimits | None = None) -> None:
        self._network_policy = network_policy or NetworkPolicy()
        self._fetch_limits = fetch_limits or FetchLimits()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._robots: dict[str, asyncio.Task[RobotsRules | DocumentUnreadable]] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(self._network_policy),
            use_dns_cache=False,
            socket_factory=self._create_socket,
            limit=16,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._proxied_session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)
        await self._session.close()
        await self._proxied_session.close()

    async def fetch(self, address: str, cached: CachedPage | None = None) -> CachedPage:
        """The page as it is now; ``cached`` itself where the site says that it has not changed.

        Raises:
            PageGone: the site says that there is no such page.
            DocumentUnreadable: it cannot be had now, or not at all; the words say why.
        """
        host = self._hosts[URL(address).raw_host or ""]
        async with host.semaphore:
            if host.failures >= _MAX_FAILURES:
                raise PageUnavailable("its host did not answer for other pages; it is tried again at the next run")
            response = await self._follow_redirects(address, cached)
        if response.status == 304 and cached is not None:  # noqa: PLR2004 - not modified
            return cached
        if response.status in {404, 410}:
            raise PageGone(f"the site answers {response.status}: there is no such page")
        if response.status != 200:  # noqa: PLR2004 - here it is
            kind = PageUnavailable if response.status >= 500 or response.status == 429 else DocumentUnreadable  # noqa: PLR2004
            raise kind(f"the site answers {response.status}")
        return _parse_page(response)

    async def _follow_redirects(self, address: str, cached: CachedPage | None) -> _Response:
        """Follow redirects to their end, each step judged like the first, and allowed by its own robots.txt."""
        seen = {address}
        for _ in range(MAX_REDIRECTS + 1):
            await self._check_robots(address)
            response = await self._request(
                address, _build_conditional_headers(cached) if cached and cached.address == address else {}
            )
            if not _is_redirect(response):
                return response
            address = resolve_redirect(address, response.headers.get("Location", ""), ports=self._network_policy.ports)
            if address in seen:
                raise DocumentUnreadable("the site redirects in a circle")
            seen.add(address)
        raise DocumentUnreadable(f"the site redirects more than {MAX_REDIRECTS} times")

    async def _check_robots(self, address: str) -> None:
        url = URL(address)
        origin = str(url.origin())
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._load_robots(origin))
        rules = await asyncio.shield(self._robots[origin])
        if isinstance(rules, DocumentUnreadable):
            raise rules
        if not rules.allows(address):
            raise DocumentUnreadable("the site's robots.txt asks not to fetch it")
        self._hosts[url.raw_host or ""].crawl_delay = rules.crawl_delay

    async def _load_robots(self, origin: str) -> RobotsRules | DocumentUnreadable:
        """Return what a site asks of robots, or why its pages are not fetched; without a robots.txt all may be."""
        address = f"{origin}/robots.txt"
        try:
            for _ in range(MAX_REDIRECTS + 1):
                response = await self._request(address, {})
                if not _is_redirect(response):
                    break
                address = resolve_redirect(
                    address, response.headers.get("Location", ""), ports=self._network_policy.ports
                )
            else:
                return DocumentUnreadable(f"the site's robots.txt redirects more than {MAX_REDIRECTS} times")
        except DocumentUnreadable as error:
            return error
        if response.status >= 500:  # noqa: PLR2004 - the site's own fault
            return PageUnavailable(f"the site's robots.txt cannot be read now: it answers {response.status}")
        text = response.body[:_ROBOTS_BYTES].decode("utf-8", "replace") if response.status == 200 else ""  # noqa: PLR2004
        try:
            return parse_robots(text)
        except Exception as error:  # noqa: BLE001 - a stranger's file must cost its own site alone
            _log.warning("the robots.txt of %s cannot be parsed (%s)", origin, type(error).__name__)
            return DocumentUnreadable("the site's robots.txt cannot be understood")

    async def _request(self, address: str, conditional_headers: Mapping[str, str]) -> _Response:
        """One request and its answer, unpacked.

        Raises:
            DocumentUnreadable: there is none, or it is too slow or too large.
        """
        normalize_url(address, ports=self._network_policy.ports)
        host = self._hosts[URL(address).raw_host or ""]
        await self._wait_for_turn(host)
        try:
            async with asyncio.timeout(self._fetch_limits.seconds):
                response = await self._send_request(address, conditional_headers)
        except TimeoutError as error:
            host.failures += 1
            raise PageUnavailable(f"took longer than {self._fetch_limits.seconds:g} s to fetch") from error
        except (aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
            reason = _describe_error(error)
            host.failures += isinstance(error, aiohttp.ClientConnectionError)
            kind = AddressRefused if reason == _PRIVATE_MESSAGE else PageUnavailable
            raise kind(reason) from error
        host.failures = 0
        return response

    async def _wait_for_turn(self, host: _Host) -> None:
        async with host.lock:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, host.next_request_at - loop.time()))
            host.next_request_at = loop.time() + max(self._fetch_limits.pause, host.crawl_delay)

    async def _send_request(self, address: str, conditional_headers: Mapping[str, str]) -> _Response:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", **conditional_headers}
        url, session = URL(address, encoded=True), self._session
        proxy = self._network_policy.proxies.find(address)
        if proxy is not None:
            session = self._proxied_session
            with suppress(socket.gaierror):  # the proxy knows names that this machine does not
                await _resolve_checked(self._network_policy, url.raw_host or "", url.port or 0)
        async with session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
            body = b"" if response.status in {301, 302, 303, 307, 308, 304} else await self._read_body(response)
            return _Response(address, response.status, response.headers, body)

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        """The body as it was before it was packed; no more is ever unpacked than a page may hold."""
        unpack = _create_decompressor(response.headers.get("Content-Encoding", ""))
        body = bytearray()
        received = 0
        async for part in response.content.iter_chunked(65_536):
            received += len(part)
            body += part if unpack is None else unpack.decompress(part, self._fetch_limits.size + 1 - len(body))
            if max(len(body), received) > self._fetch_limits.size:
                raise DocumentUnreadable(f"larger than {self._fetch_limits.size / 2**20:g} MB")
            if unpack is not None and unpack.unconsumed_tail:
                raise DocumentUnreadable(f"larger than {self._fetch_limits.size / 2**20:g} MB")
        if unpack is not None and received and not unpack.eof:
            raise PageUnavailable("broke off before its end")
        return bytes(body)

    def _create_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Check the address that would be connected to, whatever led to it."""
        family, kind, protocol, _, where = info
        if not self._network_policy.allows(str(where[0]), int(where[1])):
            raise _NotPublic(_PRIVATE_MESSAGE)
        return socket.socket(family, kind, protocol)


def _is_redirect(response: _Response) -> bool:
    return response.status in {301, 302, 303, 307, 308}


def _build_conditional_headers(cached: CachedPage) -> dict[str, str]:
    known = {"If-None-Match": cached.etag, "If-Modified-Since": cached.stamp}
    return {name: value for name, value in known.items() if value}


def _create_decompressor(encoding: str) -> Any:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32)
        case _:
            raise DocumentUnreadable("it is packed in a way that was not asked for")


def _describe_error(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _NotPublic):
            return _PRIVATE_MESSAGE
        if isinstance(cause, socket.gaierror):
            return "its host's name is not known"
        if isinstance(cause, ssl.SSLError | ssl.CertificateError):
            return "its host's certificate is not valid"
        cause = getattr(cause, "os_error", None) or cause.__cause__
    if isinstance(error, aiohttp.ClientConnectorError):
        return "its host cannot be reached"
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return "broke off before its end"
    return f"cannot be fetched ({type(error).__name__})"


def _parse_page(response: _Response) -> CachedPage:
    """What an answer holds, if it is of a kind that can be read."""
    spoken, _, parameters = response.headers.get("Content-Type", "").partition(";")
    kind = _detect_suffix(spoken.strip().lower(), URL(response.address).path, response.body)
    charset = re.search(r"(?i)charset\s*=\s*[\"']?([\w-]{2,40})", parameters)
    body = response.body
    if kind != ".pdf" and charset and _SUPPORTED_CHARSETS.fullmatch(charset[1]):
        body = _convert_to_utf8(body, charset[1])
    stamp = response.headers.get("Last-Modified", "")[:100]
    return CachedPage(
        response.address, kind, body, _convert_to_iso(stamp), response.headers.get("ETag", "")[:500], stamp
    )


def _detect_suffix(media_type: str, path: str, body: bytes) -> str:
    if body.startswith(b"%PDF-"):
        return ".pdf"
    if media_type == "text/plain" and path.lower().endswith((".md", ".markdown")):
        return ".md"
    if media_type in _SUFFIX_BY_MEDIA_TYPE:
        return _SUFFIX_BY_MEDIA_TYPE[media_type]
    if not media_type and body.lstrip()[:1] == b"<":
        return ".html"
    raise DocumentUnreadable(
        f"it is of a kind that cannot be read: {re.sub(r'[^a-z0-9/.+-]', '', media_type)[:80] or 'unknown'}"
    )


def _convert_to_utf8(body: bytes, charset: str) -> bytes:
    try:
        return body.decode(charset).encode()
    except (LookupError, UnicodeError):
        return body  # the site does not know its own page; the reader finds out


def _convert_to_iso(last_modified: str) -> str:
    try:
        return parsedate_to_datetime(last_modified).isoformat(timespec="seconds") if last_modified else ""
    except (ValueError, OverflowError):
        return ""
