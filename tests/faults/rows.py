"""The fault matrix: one row a fault, with what the reader sees at the end and what the log says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.simulator.faults import FailureKind, Fault
from tests.faults.scene import NOTHING, WHOLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.simulator.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. It happens before the question, or ``pause`` seconds after the words ``after`` are shown.

    ``reader`` is what the reader sees at the end; ``log`` are words of a warning, "" where nothing is logged.
    """

    fault: str
    reader: str = WHOLE
    log: str = ""
    after: str = ""
    pause: float = 0.0


DISCORD_FAULTS: Final = {
    "connection reset": Fault(FailureKind.RESET),
    "connection reset after it took effect": Fault(FailureKind.RESET, is_applied=True),
    "no response": Fault(FailureKind.HANG),
    "no response after it took effect": Fault(FailureKind.HANG, is_applied=True),
    "500": Fault(FailureKind.STATUS, status=500),
    "502, a proxy's page": Fault(FailureKind.HTML_PAGE, status=502),
    "200, a proxy's page": Fault(FailureKind.HTML_PAGE, status=200),
    "429 for 0.4 s": Fault(FailureKind.RATE_LIMITED, retry_after=0.4),
    "429 for 20 s": Fault(FailureKind.RATE_LIMITED, retry_after=20.0),
    "400": Fault(FailureKind.STATUS, status=400),
    "401": Fault(FailureKind.STATUS, status=401),
    "403": Fault(FailureKind.STATUS, status=403),
    "404": Fault(FailureKind.STATUS, status=404),
}
"""What can happen to one request."""

_REFUSED: Final = ("400", "401", "403", "404")
_CLOSED: Final = "a part of the answer, closed with “Interrupted. Discord refused the rest of the answer.”"
_TOLD: Final = (
    "to the asker alone: “Your answer could not be shown completely: "
    "Discord refused the message (permission or format).”"
)
_NOT_ANSWERED: Final = "in a direct message: “Your question in a channel could not be answered there.”"
_NOT_ACKNOWLEDGED: Final = "acknowledging failed"


@dataclass(frozen=True, slots=True)
class DiscordMoment:
    """The request that goes wrong: the next of this method and path, once ``after`` is shown."""

    way: str
    name: str
    method: str
    path: str
    after: str = ""
    pause: float = 0.0
    exceptions: tuple[tuple[tuple[str, ...], str, str], ...] = ()
    """Faults that the reader or the log notices: their names, what the reader sees, what the log says."""

    def __str__(self) -> str:
        return f"{self.way}, {self.name}"

    @property
    def rows(self) -> list[Row]:
        found = {fault: (reader, log) for faults, reader, log in self.exceptions for fault in faults}
        return [Row(fault, *found.get(fault, (WHOLE, "")), self.after, self.pause) for fault in DISCORD_FAULTS]


DISCORD_MOMENTS: Final = [
    DiscordMoment(
        "command",
        "the acknowledgement",
        "POST",
        "/callback",
        exceptions=(
            (("429 for 0.4 s",), WHOLE, "is rate limited"),
            (("no response after it took effect",), "“A request to Discord failed.”", _NOT_ACKNOWLEDGED),
            (("200, a proxy's page",), NOTHING, "Unexpected failure"),
            (("no response", "429 for 20 s", *_REFUSED), NOTHING, _NOT_ACKNOWLEDGED),
        ),
    ),
    DiscordMoment(
        *("command", "an edit", "PATCH", "/webhooks/", "Sentence 3 "),
        exceptions=((_REFUSED, f"{_CLOSED}; {_TOLD}", "refused an edit"),),
    ),
    DiscordMoment(
        *("command", "the last edit", "PATCH", "/webhooks/", "Sentence 11 ", 1.5),
        exceptions=((_REFUSED, f"{_CLOSED}; {_TOLD}", "refused an edit"),),
    ),
    DiscordMoment(
        *("command", "the next message", "POST", "/webhooks/", "Sentence 3 "),
        exceptions=((_REFUSED, f"{_CLOSED}; {_TOLD}", "refused a message"),),
    ),
    DiscordMoment(
        *("mention", "the first message", "POST", "/messages$"),
        exceptions=((_REFUSED, _NOT_ANSWERED, "refused a message"),),
    ),
    DiscordMoment(
        *("mention", "an edit", "PATCH", "/messages/", "Sentence 3 "),
        exceptions=((_REFUSED, f"{_CLOSED}; {_NOT_ANSWERED}", "refused an edit"),),
    ),
    DiscordMoment(
        *("mention", "the last edit", "PATCH", "/messages/", "Sentence 11 ", 1.5),
        exceptions=((_REFUSED, f"{_CLOSED}; {_NOT_ANSWERED}", "refused an edit"),),
    ),
    DiscordMoment(
        *("mention", "the next message", "POST", "/messages$", "Sentence 3 "),
        exceptions=((_REFUSED, f"{_CLOSED}; {_NOT_ANSWERED}", "refused a message"),),
    ),
]


async def _drop(gateway: Gateway) -> None:
    gateway.drop_connections()


async def _ask_to_reconnect(gateway: Gateway) -> None:
    gateway.ask_to_reconnect()


async def _invalidate(gateway: Gateway) -> None:
    gateway.invalidate()


def _close(code: int) -> Callable[[Gateway], Awaitable[None]]:
    async def close(gateway: Gateway) -> None:
        await gateway.close(code)

    return close


GATEWAY_FAULTS: Final[dict[str, Callable[[Gateway], Awaitable[None]]]] = {
    "connection reset": _drop,
    "asked to reconnect (op 7)": _ask_to_reconnect,
    "session invalid (op 9)": _invalidate,
    "closed with 1000": _close(1000),
    "closed with 1001": _close(1001),
    "closed with 4000, unknown error": _close(4000),
    "closed with 4008, rate limited": _close(4008),
    "closed with 4009, session timed out": _close(4009),
}
GATEWAY_ROWS: Final = [Row(fault, after="Sentence 3 ") for fault in GATEWAY_FAULTS]

RECORDS_ROWS: Final = [
    Row("the file is locked by another program", log="Writing the records failed"),
    Row("a table is gone", log="storing failed"),
]
