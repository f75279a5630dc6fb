"""Parses lists of web addresses and pages' links, and decides which addresses may be fetched."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from yarl import URL

from bot.errors import DocumentUnreadable

LIST_NAME: Final = "urls.txt"
PORTS: Final = frozenset({80, 443})
"""Where pages are fetched from; anything else that listens on a machine is none of ours."""

_LONGEST_ADDRESS = 2_000
_LONGEST_NAME = 300
_LINK_SCAN_CHARS = 2 * 2**20  # characters of a page that links are taken from
_LONGEST_TAG = 4_000
_MAX_LINKS = 2_000

# What the standard library takes for public and is not, or not for us.
_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "192.0.0.0/24",  # protocols' own
            "192.88.99.0/24",  # relays from IPv4 into IPv6
            "168.63.129.16/32",  # the one address at which a cloud talks to its own machines
        ),
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


class AddressRefused(DocumentUnreadable):
    """A web address that is not fetched, whoever asks for it; the words say why."""


@dataclass(frozen=True, slots=True)
class CrawlTarget:
    """One line of a list, counted from 1: an address; with ``is_tree``, the pages below it too. Or its ``fault``."""

    line: int
    address: str
    is_tree: bool = False
    fault: str = ""


def is_public_address(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether a machine's numeric address is one on the public internet.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is judged as that one.
    """
    try:
        number = ip_address(address)
    except ValueError:
        return False
    if isinstance(number, IPv6Address):
        if number.scope_id is not None:
            return False
        inner = _extract_ipv4(number)
        if inner is None:
            return _is_public_ipv6(number)
        number = inner
    is_special = number.is_multicast or number.is_reserved or number.is_unspecified or number.is_private
    return number.is_global and not is_special and not any(number in network for network in _NOT_PUBLIC_4)


def _is_public_ipv6(number: IPv6Address) -> bool:
    is_public = number in _GLOBAL_6 and number.is_global and not number.is_reserved
    return is_public and not any(number in network for network in _NOT_PUBLIC_6)


def _extract_ipv4(number: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for, if it stands for one."""
    if number.ipv4_mapped is not None:
        return number.ipv4_mapped
    if number in _SIX_TO_FOUR:
        return number.sixtofour
    return IPv4Address(int(number) & 0xFFFF_FFFF) if number in _NAT64 else None


def normalize_url(text: str, *, ports: frozenset[int] = PORTS) -> str:
    """A web address in the one form that is used from here on: host in ASCII, no fragment.

    Raises:
        AddressRefused: it is no address of a web page, or one that holds a password or an unusual port.
    """
    if len(text) > _LONGEST_ADDRESS:
        raise AddressRefused(f"longer than {_LONGEST_ADDRESS:,} characters")
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise AddressRefused("not a web address: it holds a space, a backslash or a control character")
    try:
        url = URL(text).with_fragment(None)
        scheme, host, port = url.scheme, url.raw_host, url.port
    except (ValueError, UnicodeError) as error:
        raise AddressRefused("not a web address") from error
    if scheme not in {"http", "https"}:
        raise AddressRefused("not fetched: only http:// and https:// addresses are")
    if not host or "%" in host:
        raise AddressRefused("not a web address: it names no host")
    if _is_ambiguous_number(host):
        raise AddressRefused("not a web address: its host is a number that is not written as one")
    if "@" in url.raw_authority:
        raise AddressRefused("not fetched: the address holds a name or a password")
    if port not in PORTS | ports:
        raise AddressRefused(f"not fetched: port {port} is not one of web pages")
    plain = str(url.with_path("/", keep_query=True) if url.raw_path in {"", "/"} else url)
    if len(plain) > _LONGEST_ADDRESS:
        raise AddressRefused(f"longer than {_LONGEST_ADDRESS:,} characters")
    return plain


def _is_ambiguous_number(host: str) -> bool:
    """Whether a host is a number to some and a name to others: 2130706433, 0177.0.0.1, 0x7f.1."""
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2], re.IGNORECASE) is None:
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def is_url_list_text(text: str) -> bool:
    """Whether the content of a ``urls.txt`` is a list of addresses, and not a page of prose that is called that.

    Half of its lines or more are one word (or one with " *"); a list in which all lines are wrong still counts.
    """
    lines = [words for line in text.lstrip("\ufeff").splitlines() if (words := _split_list_line(line))]
    return sum(len(words) == 1 or words[1:] == ["*"] for words in lines) * 2 >= len(lines)


def _split_list_line(line: str) -> list[str]:
    """Return a line's words, without its comment."""
    return re.sub(r"(?:^|\s)#.*", "", line).split()


def parse_url_list(text: str, *, ports: frozenset[int] = PORTS) -> list[CrawlTarget]:
    """What a list asks for: an address a line, ``#`` begins a comment, " *" at the end asks for the pages below too."""
    wanted: dict[str, CrawlTarget] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        words = _split_list_line(line)
        if not words:
            continue
        is_tree = words[1:] == ["*"]
        try:
            address = normalize_url(words[0] if is_tree else " ".join(words), ports=ports)
        except AddressRefused as error:
            wanted[f"line {number}"] = CrawlTarget(number, words[0][:_LONGEST_ADDRESS], fault=error.user_message)
            continue
        if address not in wanted or (is_tree and not wanted[address].is_tree):
            wanted[address] = CrawlTarget(number, address, is_tree)
    return list(wanted.values())


def resolve_redirect(address: str, location: str, *, ports: frozenset[int] = PORTS) -> str:
    """Where an answer at this address sends us to.

    Raises:
        AddressRefused: there is no going there.
    """
    if not location:
        raise AddressRefused("the site redirects without saying where to")
    try:
        return normalize_url(_join_url(address, location), ports=ports)
    except AddressRefused as error:
        raise AddressRefused(f"the site redirects to an address that is {error.user_message}") from error


def extract_links(page: str, base: str, *, ports: frozenset[int] = PORTS) -> list[str]:
    """The addresses of web pages that a page of HTML links to, in order, each once.

    Written to take time in proportion to the page whatever it holds: unclosed comments and tags without end are what a
    hostile page is made of.
    """
    page = page[:_LINK_SCAN_CHARS]
    lower = page.lower() if page.isascii() else "".join(sign.lower() if sign.isascii() else sign for sign in page)
    found: dict[str, None] = {}
    place = 0
    while len(found) < _MAX_LINKS and (token := _TOKEN.search(lower, place)) is not None:
        place = token.end()
        if closing := _CLOSING_TAGS.get(token["unread"] or ""):
            place = lower.find(closing, place)
            if place < 0:
                break
            continue
        end = page.find(">", place, place + _LONGEST_TAG)
        target = _HREF.search(page[place : end if end >= 0 else place + _LONGEST_TAG])
        place = end if end >= 0 else place + _LONGEST_TAG
        if target is None:
            continue
        where = html.unescape(next(filter(None, target.groups()), "")).strip()
        try:
            address = normalize_url(_join_url(base, where), ports=ports)
        except AddressRefused:
            continue
        if token["tag"] == "base":
            base = address
        else:
            found[address] = None
    return list(found)


_TOKEN = re.compile(r"(?P<unread><!--|<script\b|<style\b)|<(?P<tag>a|base)(?=\s)")
_CLOSING_TAGS = {"<!--": "-->", "<script": "</script", "<style": "</style"}
_HREF = re.compile(r"""\shref\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)


def _join_url(base: str, reference: str) -> str:
    try:
        return str(URL(base).join(URL(reference.strip())))
    except (ValueError, UnicodeError) as error:
        raise AddressRefused("not a web address") from error


def is_below(address: str, start: str) -> bool:
    """Whether a page is on the same host as another and below its folder; http and https are the same host."""
    page, top = URL(address), URL(start)
    if page.raw_host != top.raw_host or not _is_same_port(page, top):
        return False
    path = top.raw_path
    last = path.rpartition("/")[2]
    folder = path[: len(path) - len(last)] if "." in last else path.rstrip("/") + "/"
    return page.raw_path.startswith(folder) or page.raw_path == folder.rstrip("/")


def _is_same_port(page: URL, top: URL) -> bool:
    return page.port == top.port or {page.port, top.port} <= PORTS


def is_url_list(relative: str) -> bool:
    """Whether a file is a list of web addresses: in the documents' folder itself, or in a collection's."""
    folder, _, name = relative.rpartition("/")
    return name == LIST_NAME and (not folder or (folder.startswith("@") and "/" not in folder and len(folder) > 1))


def parse_list_path(document: str) -> str | None:
    """The list that a document's name says it was fetched for; None for a file."""
    start, found, page = document.partition(f"{LIST_NAME}/")
    listed = start + LIST_NAME
    return listed if found and page and is_url_list(listed) else None


def build_page_name(list_path: str, address: str) -> str:
    """The name under which a page is a document: list, host and path. A slash at its end makes no other page."""
    url = URL(address)
    host = url.raw_host if url.is_default_port() else f"{url.raw_host}:{url.port}"
    name = f"{list_path}/{host}{url.raw_path.rstrip('/')}"
    if url.raw_query_string:
        name += f"?{url.raw_query_string}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
