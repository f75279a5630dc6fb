"""What can be made to go wrong with the bot's next requests, and for how many of them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum


class FailureKind(Enum):
    """How a request goes wrong."""

    STATUS = "it is answered with a status of 400 or more, and JSON"
    HTML_PAGE = "it is answered with that status, and HTML, as by a proxy on the way"
    RATE_LIMITED = "it is answered with a 429 that nothing announced"
    RESET = "its connection is broken off"
    HANG = "it is never answered"


@dataclass(frozen=True, slots=True)
class Fault:
    """The next ``times`` requests whose method and path match get into ``kind``.

    ``path`` is a regular expression, searched in the path behind the API's version. With ``is_applied`` the request
    takes effect first and only its reply is lost. ``retry_after`` is in seconds, for a 429.
    """

    kind: FailureKind
    method: str = ""
    path: str = ""
    times: int = 1
    status: int = 500
    is_applied: bool = False
    retry_after: float = 1.0
    scope: str = "shared"

    def matches(self, method: str, path: str) -> bool:
        """Whether this request would be hit."""
        return self.method in {"", method} and re.search(self.path, path) is not None


@dataclass(slots=True)
class Faults:
    """The faults still to come, first come first served."""

    pending: list[Fault] = field(default_factory=list[Fault])

    def add(self, fault: Fault) -> None:
        """Let this go wrong from now on, ``fault.times`` times."""
        self.pending += [fault] * fault.times

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, used up by it."""
        for place, fault in enumerate(self.pending):
            if fault.matches(method, path):
                return self.pending.pop(place)
        return None
