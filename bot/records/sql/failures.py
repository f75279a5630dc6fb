"""Says why a database operation failed, and whether trying again later can help."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import RecordsUnusable

_SQLITE_REASONS = {
    "SQLITE_BUSY": "timeout: the file is locked by another program",
    "SQLITE_LOCKED": "timeout: the file is locked by another program",
    "SQLITE_FULL": "disk full",
    "SQLITE_READONLY": "no permission to write",
    "SQLITE_PERM": "no permission to write",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_IOERR": "disk I/O failed",
}
"""Temporary failures by SQLite's primary result code."""

_POSTGRES_REASONS = {
    "08": "connection failed",
    "40": "transaction conflict",
    "53": "server out of connections, memory or disk",
    "53100": "disk full",
    "55P03": "timeout while waiting for a lock",
    "57": "server is shutting down or starting",
    "57014": "timeout",
    "25006": "server is read-only",
}
"""Temporary failures by SQLSTATE or its class; https://www.postgresql.org/docs/current/errcodes-appendix.html."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation failed. ``is_temporary``: the same operation may succeed later."""

    reason: str
    is_temporary: bool

    def to_error(self, cause: BaseException | None = None) -> RecordsUnusable:
        """Return the error to raise for it."""
        error = RecordsUnusable(f"The records cannot be read or written ({self.reason}).")
        error.__cause__ = cause
        return error


TIMEOUT = Failure("timeout", is_temporary=True)


def classify(error: BaseException) -> Failure:
    """Classify what SQLAlchemy, a driver or the operating system raised. Quotes no statement and no parameter."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, TimeoutError):
        return TIMEOUT
    if isinstance(cause, OSError):
        return Failure(f"connection failed: {cause.strerror or type(cause).__name__}", is_temporary=True)
    name = "_".join(str(getattr(cause, "sqlite_errorname", "")).split("_")[:2])
    if name in _SQLITE_REASONS:
        return Failure(_SQLITE_REASONS[name], is_temporary=True)
    state = str(getattr(cause, "sqlstate", None) or "")
    if reason := _POSTGRES_REASONS.get(state) or _POSTGRES_REASONS.get(state[:2]):
        return Failure(reason, is_temporary=True)
    if getattr(error, "connection_invalidated", False):
        return Failure("connection lost", is_temporary=True)
    return Failure(name or type(cause).__name__, is_temporary=False)
