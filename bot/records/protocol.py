"""The doors of what is remembered, one for each kind, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bot.records.values import Act, Feedback, Forgotten, Gap, Json, Record, Run, Spending, Statistics, Vote

_DAY = 24 * 3600.0

KEPT_SPENDINGS: Final = 40 * _DAY
KEPT_ACTS: Final = 366 * _DAY
"""Seconds after which what was spent, and what admins did, goes too, whenever answers are forgotten for their age."""

OPEN_BUDGET: Final = 2 * _DAY
"""Seconds for which a spending counts in its person's budget, and so keeps their name."""


class Answers(Protocol):
    """Answers, by their key."""

    async def remember(self, record: Record) -> None:
        """Write a record; one of the same key is replaced, its votes stay."""
        ...

    async def recall(self, key: str) -> Record | None:
        """The record of that key, None where there is none any more."""
        ...

    async def unfinished(self, since: float, limit: int) -> Sequence[Record]:
        """The answers asked for since this Unix time that have no end, the latest first, at most so many."""
        ...

    async def statistics(self, guild_id: int | None, since: float) -> Statistics:
        """The answers asked for since this Unix time in numbers: one guild's, or with None all there are."""
        ...

    async def forget_before(self, time: float) -> int:
        """Forget every answer asked for before this Unix time, with its votes; gives how many.

        What else has had its time goes as well: spendings and ended runs after 40 days, acts after a year.
        """
        ...

    async def forget_person(self, user_id: int, *, guild_id: int | None = None, everywhere: bool = False) -> Forgotten:
        """Forget what one person asked and how they voted, in one guild, in direct messages (None) or everywhere.

        What they spent stays in the books, under nobody's name once it counts in no budget of theirs any more.
        """
        ...


class Votes(Protocol):
    """What people said of answers. Each guild's are its own; where one is named, None is direct messages."""

    async def vote(self, vote: Vote) -> bool:
        """Count a vote; False if the answer is no longer remembered."""
        ...

    async def votes(self, key: str) -> Sequence[Vote]:
        """What people said of an answer, the first voter first."""
        ...

    async def feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """Every vote given in a guild since this Unix time with what it was about, the first first."""
        ...

    async def gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """Questions asked in a guild since this Unix time that wait for an answer, the latest first, at most so many.

        Those are the ones the documents did not answer, and those whose answer somebody voted down.
        """
        ...

    async def close_gaps(self, guild_id: int | None, keys: Collection[str], by: int, at: float) -> int:
        """Mark gaps of this guild as done, in the name of ``by``; gives how many were still open."""
        ...


class Spendings(Protocol):
    """What answers cost. Forgetting an answer leaves it spent."""

    async def begin_spending(self, spending: Spending) -> None:
        """Write down an estimate before the model is asked, so that a crash costs the budget no less."""
        ...

    async def settle(self, spending: Spending) -> None:
        """Put the real figure in the place of the estimate that was made under the same key at the same time."""
        ...

    async def spendings(self, since: float) -> Sequence[Spending]:
        """What was spent since this Unix time, the first first: what a ledger starts with."""
        ...


class Guilds(Protocol):
    """What admins chose for their guild, and what they did."""

    async def guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """What was chosen in a guild; a name that was not, or was reset, is missing."""
        ...

    async def set_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """Keep a choice of a guild's; None resets it."""
        ...

    async def audit(self, act: Act) -> None:
        """Note what an admin did."""
        ...

    async def acts(self, guild_id: int | None, limit: int) -> Sequence[Act]:
        """What admins did in a guild (None: in direct messages), the latest first, at most so many."""
        ...


class Runs(Protocol):
    """Ingestions that were begun from chat."""

    async def note_run(self, run: Run) -> None:
        """Write down how a run stands; the same run's earlier note is replaced."""
        ...

    async def unfinished_runs(self) -> Sequence[Run]:
        """The runs that have no end, the first begun first."""
        ...


class Records(Answers, Votes, Spendings, Guilds, Runs, Protocol):
    """All that is remembered. Every method raises RecordsUnusable where it cannot be read or written."""
