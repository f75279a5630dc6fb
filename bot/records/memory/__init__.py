"""Records that last as long as the process, for tests and where nothing can be written.

The modules are those of ``sql``; ``state`` is what they stand on.
"""

from bot.records.memory.answers import MemoryAnswers
from bot.records.memory.guilds import MemoryGuilds
from bot.records.memory.runs import MemoryRuns
from bot.records.memory.usage import MemoryUsageRecords
from bot.records.memory.votes import MemoryVotes

__all__ = ["MemoryRecords"]


class MemoryRecords(MemoryAnswers, MemoryVotes, MemoryUsageRecords, MemoryGuilds, MemoryRuns):
    """``Records`` that a restart forgets; of answers they hold the latest thousand."""
