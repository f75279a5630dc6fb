"""Answers and votes that the tests remember."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.domain import Scope, Usage
from bot.records import AnswerRecord, AnswerStatus, Vote
from tests.fakes.answerer import HANDBOOK, TRAVEL

ADA, BEN, ADMIN = 7, 70, 700
GUILD, ELSEWHERE = 8, 80
DAY = 24 * 3600.0

QUESTION = AnswerRecord("1", "How long?", asker_id=ADA, guild_id=GUILD, channel_id=9, asked_at=1_000.0)
ANSWER = replace(
    QUESTION,
    scope=Scope(frozenset({"", "board"})),
    message_ids=(2**63 - 1, 12),
    searched_for="How long do refunds take?",
    text="Two **weeks** [1].\n",
    sources=(HANDBOOK, TRAVEL),
    status=AnswerStatus.COMPLETE,
    ended_at=1_004.5,
    usage=Usage(prompt=900, completion=40),
    first_word_at=1_000.75,
    is_automatic=True,
    attached=("invoice.pdf", "Köln.txt"),
)
UP = Vote("1", user_id=ADA, is_up=True, at=2_000.0)
DOWN = Vote("1", user_id=ADA, is_up=False, at=2_001.0)


def make_question(answer_id: str, text: str = "How long?", **other: Any) -> AnswerRecord:
    """A question the documents held no answer to, unless ``other`` says what else."""
    return replace(QUESTION, answer_id=answer_id, question=text, **({"status": AnswerStatus.NOT_FOUND} | other))
