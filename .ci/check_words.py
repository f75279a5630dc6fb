"""Find words that the project no longer uses, in code, tests, documents and messages.

Each word was once a private name for something that Discord, LlamaIndex, OpenAI or Python already has a word for; the
field's word stands beside it. Run from anywhere: `python .ci/check_words.py`. Exit code 1 if a word has come back.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

NAMES: Final = {
    "Asking": "AnswerService",
    "Customs": "GuildSettings",
    "Deed": "ButtonAction",
    "Dialect": "DiscordMarkdownConverter",
    "Fate": "AnswerStatus",
    "Handout": "EphemeralContent",
    "Hearing": "MessageHistory",
    "Leftovers": "UnfinishedMessages",
    "Manner": "ResponseStyle",
    "Manners": "MentionOptions",
    "Overheard": "RecordingStream",
    "Shelf": "DocumentFolder",
    "Shelved": "DocumentInfo",
    "Spending": "UsageRecord",
    "StandIn": "DiscordSimulator",
    "Telling": "AnswerSession",
    "Unveiling": "InvisibleFilter",
    "Utterance": "HistoryMessage",
    "foreseen": "automatic_answer",
    "standin": "simulator",
    "whisper": "send_ephemeral",
    "whispers": "ephemeral_messages",
}
"""Old identifier → the field's. Matched as identifiers of Python code, and in backticks of prose."""

PHRASES: Final = {
    r"\bnobody foresaw\b": "unexpected error",
    r"\bstand-?in\b": "fake, or simulator",
    r"\bthe streaming room\b|\bis its own room\b|\bmap of the rooms\b": "package",
    r"\bwant(?:s)? mending\b": "failed",
    r"\brests on no passage\b": "has no sources",
    r"\bnone that I made\b": "not from this bot",
}
"""Old phrase (a regular expression) → what to say instead."""

PARTICIPLES: Final = (
    "told",
    "shown",
    "named",
    "asked",
    "opened",
    "written",
    "seen",
    "kept",
    "gathered",
    "trimmed",
    "fitted",
    "cited",
    "located",
    "escaped",
    "picked",
    "clicked",
    "pressed",
    "quoted",
    "copied",
    "foreseen",
    "remembered",
    "narrowed",
    "following",
    "examined",
    "chosen",
    "listed",
    "counted",
)
"""Functions are verbs: none of these is a function's name."""

SUFFIXES: Final = frozenset({".py", ".md", ".toml", ".yml", ".yaml", ".js", ".html", ".example"})
SKIPPED: Final = frozenset({".ci/check_words.py"})


def find_old_words(text: str) -> list[tuple[int, str]]:
    """Return line numbers (from 1) and what is wrong there."""
    found: list[tuple[int, str]] = []
    names = re.compile(rf"(?:(?<=[`(.\[ ])|^)({'|'.join(map(re.escape, NAMES))})(?=[`(.,:\])])")
    participles = re.compile(rf"\bdef ({'|'.join(PARTICIPLES)})\(")
    for number, line in enumerate(text.splitlines(), start=1):
        found += [(number, f"{match[1]}: say {NAMES[match[1]]}") for match in names.finditer(line)]
        found += [(number, f"{match[1]}(): name functions by a verb") for match in participles.finditer(line)]
        found += [
            (number, f"{match[0]}: say {better}")
            for pattern, better in PHRASES.items()
            for match in re.finditer(pattern, line, re.IGNORECASE)
        ]
    return found


def main() -> int:
    """Check every tracked text file."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    problems = 0
    for name in listing.stdout.splitlines():
        path = ROOT / name
        if name in SKIPPED or path.suffix not in SUFFIXES or not path.is_file():
            continue
        for number, problem in find_old_words(path.read_text(encoding="utf-8")):
            print(f"{name}:{number}: {problem}")
            problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
