"""Decides which HTTP proxy carries a request, if any."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_ENCRYPTED_SCHEMES = {"https", "wss"}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The operator's HTTP proxies, used alike by the Discord client, the model clients and the web page fetcher.

    Attributes:
        http: The proxy's URL for unencrypted requests; None for none.
        https: The proxy's URL for encrypted requests; None for none.
        exceptions: Hosts that are reached directly, in NO_PROXY's form: a name covers its subdomains, ``*`` everything.
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exceptions: tuple[str, ...] = ()

    def find(self, url: str) -> str | None:
        """Return the URL of the proxy for a request; None if it goes directly, as to each private address."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if is_private_host(host) or any(_matches(each, host, parts.port) for each in self.exceptions):
            return None
        return self.https if parts.scheme in _ENCRYPTED_SCHEMES else self.http

    @property
    def hosts(self) -> tuple[str, ...]:
        """The proxies' hosts with their ports, without user names and passwords."""
        urls = dict.fromkeys(url for url in (self.https, self.http) if url)
        return tuple(urlsplit(url).netloc.rpartition("@")[2] for url in urls)


NO_PROXIES = Proxies()
"""Everything is reached directly."""


def is_private_host(host: str) -> bool:
    """Return whether a host is this machine or on a private network, as far as its name or address tells."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.lower().endswith(_PRIVATE_SUFFIXES)


def _matches(exception: str, host: str, port: int | None) -> bool:
    pattern, _, wanted_port = exception.partition(":") if exception.count(":") == 1 else (exception, "", "")
    if wanted_port and wanted_port != str(port):
        return False
    if pattern == "*":
        return True
    try:
        return ip_address(host) in ip_network(pattern, strict=False)
    except ValueError:
        name = pattern.lower().lstrip("*").lstrip(".")
        return bool(name) and (host.lower() == name or host.lower().endswith(f".{name}"))
