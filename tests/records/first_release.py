"""A file as the first release left it: its tables, and rows as it wrote them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from bot.domain import Scope, Source
from bot.records import AnswerRecord, AnswerStatus, Vote

if TYPE_CHECKING:
    from pathlib import Path

_VERSION_TABLE = """
CREATE TABLE records_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
"""
_ANSWERS = """
CREATE TABLE answers (
    "key" TEXT NOT NULL,
    question TEXT NOT NULL,
    asker_id BIGINT NOT NULL,
    guild_id BIGINT,
    channel_id BIGINT NOT NULL,
    asked_at DOUBLE NOT NULL,
    collections JSON NOT NULL,
    message_ids JSON NOT NULL,
    searched_for TEXT NOT NULL,
    text TEXT NOT NULL,
    sources TEXT NOT NULL,
    fate TEXT NOT NULL,
    ended_at DOUBLE,
    PRIMARY KEY ("key")
);
CREATE INDEX ix_answers_asked_at ON answers (asked_at);
"""
_VOTES = """
CREATE TABLE votes (
    "key" TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    is_up BOOLEAN NOT NULL,
    at DOUBLE NOT NULL,
    words TEXT,
    PRIMARY KEY ("key", user_id),
    FOREIGN KEY("key") REFERENCES answers ("key") ON DELETE CASCADE
);
"""
_WRITE_ANSWER = """
INSERT INTO answers ("key", question, asker_id, guild_id, channel_id, asked_at, collections, message_ids, searched_for,
    text, sources, fate, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def expected_answer(answer_id: str) -> AnswerRecord:
    """What ``write_answers`` wrote under a key, as it reads today."""
    return AnswerRecord(
        answer_id,
        "Wie lange?",
        asker_id=7,
        guild_id=8,
        channel_id=9,
        asked_at=1_000.25,
        scope=Scope(frozenset({"", "board"})),
        message_ids=(2**63 - 1, 12),
        searched_for="How long do refunds take?",
        text="Two **weeks** [1].\n",
        sources=(Source(1, "handbook.md", "Handbook", "Refunds take 14 days.", section="Refunds"),),
        status=AnswerStatus.COMPLETE,
        ended_at=1_004.5,
    )


def expected_vote(answer_id: str) -> Vote:
    """Likewise."""
    return Vote(answer_id, 7, is_up=False, at=2_001.0, comment="The price.")


def create_file(path: Path, *, version: int | None = 1, with_votes: bool = True) -> None:
    """An empty file; without a ``version``, or without votes, as if it had been killed while making one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_VERSION_TABLE + _ANSWERS + (_VOTES if with_votes else ""))
        if version is not None:
            connection.execute("INSERT INTO records_schema VALUES (?)", (version,))


def write_answers(path: Path, *answer_ids: str) -> None:
    """Answers with a vote each."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for key in answer_ids:
            source = {"number": 1, "document": "handbook.md", "title": "Handbook", "passage": "Refunds take 14 days."}
            sources = json.dumps([source | {"section": "Refunds", "page": None, "url": None, "date": None}])
            row = ["Wie lange?", 7, 8, 9, 1_000.25, '["", "board"]', "[9223372036854775807, 12]"]
            row += ["How long do refunds take?", "Two **weeks** [1].\n", sources, "complete", 1_004.5]
            connection.execute(_WRITE_ANSWER, (key, *row))
            connection.execute("INSERT INTO votes VALUES (?, 7, 0, 2001.0, 'The price.')", (key,))
