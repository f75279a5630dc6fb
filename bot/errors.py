"""The exceptions of the bot, each with a message for the person who sees it.

Each error has a ``user_message``: one sentence for the person who sees it, saying who can correct it and how, without
a key, a URL path or a stack trace. ``str(error)`` is the same. Details for the log are in ``__cause__``.

The tree::

    DocentError
    ├── SettingsInvalid        the operator: a setting is missing or wrong (lists every problem; exit status 78)
    ├── QuestionInvalid        the asker: empty, or longer than 2,000 characters
    ├── QuestionRefused        the asker: a limit, a budget or the channel does not allow it now
    ├── GuildSettingInvalid          an admin: a setting of their server cannot have this value
    ├── AnswerUnavailable      no answer, or not the whole of it
    │   ├── ModelAccessDenied  the operator: the key is not accepted, or may not use this model
    │   ├── ModelOutOfCredit   the operator: the account's quota is used up
    │   ├── ModelUnknown       the operator: the server has no such model
    │   ├── ModelBusy          nobody: ask again (``retry_after`` seconds, where the server said)
    │   ├── ModelUnreachable   the operator: no connection to the model's server
    │   ├── ModelInterrupted   nobody: the stream broke off; the text so far stays
    │   ├── ModelResponseEmpty nobody: the model ended without any text
    │   └── ContextTooLong     the operator: even the fewest passages exceed the model's window
    ├── IndexUnavailable       nothing to search yet
    │   ├── IndexEmpty         the operator: no documents were read
    │   └── IndexBuilding      nobody: the first ingestion is still running
    ├── NothingFound           nobody: the documents do not answer it
    ├── IngestionRefused       the operator: the folder is missing or lost most of its files
    ├── StoreUnusable          the operator: the index cannot be opened or written
    │   └── IndexMovedAside    nobody: the index was damaged, and is rebuilt from the documents
    ├── RecordsUnusable        the operator: the records cannot be opened or written
    └── DocumentUnreadable     the document's owner: this one file is damaged, locked, binary or too large
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class DocentError(Exception):
    """The root; catch this at an edge and show its message."""

    @property
    def user_message(self) -> str:
        """One sentence for the person who sees it."""
        return str(self)


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that is missing or wrong: its name, what is wrong, what it should hold and where to get it."""

    setting: str
    complaint: str
    remedy: str


class SettingsInvalid(DocentError):
    """Settings with which the bot cannot run; all problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{p.setting} {p.complaint}. {p.remedy}" for p in problems))
        self.problems = tuple(problems)


class QuestionInvalid(DocentError):
    """A question that is invalid: empty or too long."""


class QuestionRefused(DocentError):
    """A question that a limit, a budget or the channel does not allow; no answer was begun."""


class GuildSettingInvalid(DocentError):
    """A value that a server's setting cannot have; the message says what it may be."""


class AnswerUnavailable(DocentError):
    """No answer, or not the whole of it."""


class ModelAccessDenied(AnswerUnavailable):
    """The model's server does not accept the key, or not for this model."""


class ModelOutOfCredit(AnswerUnavailable):
    """The account behind the key has no quota left."""


class ModelUnknown(AnswerUnavailable):
    """The model's server has no model of that name."""


class ModelBusy(AnswerUnavailable):
    """The model's server is overloaded; ``retry_after`` is in seconds, None where it did not say."""

    def __init__(self, user_message: str, *, retry_after: float | None = None) -> None:
        super().__init__(user_message)
        self.retry_after = retry_after


class ModelUnreachable(AnswerUnavailable):
    """No connection to the model's server."""


class ModelInterrupted(AnswerUnavailable):
    """The model's stream broke off, or ended without saying that it had ended."""


class ModelResponseEmpty(AnswerUnavailable):
    """The model ended without a word."""


class ContextTooLong(AnswerUnavailable):
    """The passages do not fit into the model's window, however few."""


class IndexUnavailable(DocentError):
    """There is nothing to search yet."""


class IndexEmpty(IndexUnavailable):
    """No documents have been read."""


class IndexBuilding(IndexUnavailable):
    """The first ingestion is still running; ``files_total`` is 0 until the files are counted."""

    def __init__(self, user_message: str, *, files_done: int = 0, files_total: int = 0) -> None:
        super().__init__(user_message)
        self.files_done = files_done
        self.files_total = files_total


class NothingFound(DocentError):
    """The documents do not speak of what was asked; ``nearest`` are the titles of those that come closest."""

    def __init__(self, user_message: str, *, nearest: Sequence[str] = ()) -> None:
        super().__init__(user_message)
        self.nearest = tuple(nearest)


class IngestionRefused(DocentError):
    """A run that was refused or cancelled; the index has not changed."""


class StoreUnusable(DocentError):
    """The index cannot be opened or written."""


class IndexMovedAside(StoreUnusable):
    """The index was damaged: its files were moved aside, and a new one is built from the documents."""


class RecordsUnusable(DocentError):
    """What is remembered of answers cannot be read or written; the answers themselves go on."""


class DocumentUnreadable(DocentError):
    """One file that was not read; the message is the reason, as ``reindex`` lists it."""
