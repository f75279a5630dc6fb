"""Sets the answer that is being worked on, so that every log line carries its id."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class LogContext:
    """The answer that a log line belongs to; ``guild_id`` is None in direct messages."""

    answer_id: str
    guild_id: int | None


_current: ContextVar[LogContext | None] = ContextVar("docent_log_context", default=None)


@contextmanager
def log_context(answer_id: str, guild_id: int | None) -> Generator[None]:
    """Mark what is logged inside, by tasks started inside too, as belonging to an answer."""
    token = _current.set(LogContext(answer_id, guild_id))
    try:
        yield
    finally:
        _current.reset(token)


def current_log_context() -> LogContext | None:
    """Return the answer that the current task works on, if any."""
    return _current.get()
