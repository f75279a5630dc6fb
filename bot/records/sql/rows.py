"""Converts values to table rows and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.domain import AnswerStatus, Scope, Source, Usage
from bot.records.values import AnswerRecord, Feedback, Gap, Vote
from bot.text.storable import replace_unstorable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

_SOURCE_FIELDS = frozenset(each.name for each in fields(Source))


def answer_to_row(record: AnswerRecord) -> dict[str, Any]:
    """Return the columns of ``answers`` that a record fills."""
    return {
        "answer_id": record.answer_id,
        "question": replace_unstorable(record.question),
        "asker_id": record.asker_id,
        "guild_id": record.guild_id,
        "channel_id": record.channel_id,
        "asked_at": record.asked_at,
        "collections": sorted(record.scope.collections),
        "message_ids": list(record.message_ids),
        "searched_for": replace_unstorable(record.searched_for),
        "text": replace_unstorable(record.text),
        "sources": json.dumps([asdict(source) for source in record.sources], default=datetime.isoformat),
        "status": record.status.value,
        "ended_at": record.ended_at,
        "prompt_tokens": record.usage.prompt,
        "completion_tokens": record.usage.completion,
        "first_word_at": record.first_word_at,
        "is_automatic": record.is_automatic,
        "attached": list(record.attached),
    }


def answer_from_row(row: sa.Row[Any]) -> AnswerRecord:
    """Return the record in a row of ``answers``."""
    values = row._asdict()
    return AnswerRecord(
        scope=_parse_scope(values.pop("collections")),
        message_ids=tuple(values.pop("message_ids")),
        sources=_parse_sources(values.pop("sources")),
        status=AnswerStatus(values.pop("status")),
        usage=Usage(values.pop("prompt_tokens"), values.pop("completion_tokens")),
        attached=tuple(values.pop("attached")),
        **{name: value for name, value in values.items() if name not in {"closed_at", "closed_by"}},
    )


def vote_to_row(vote: Vote) -> dict[str, Any]:
    """Return the columns of ``votes`` that a vote fills."""
    comment = None if vote.comment is None else replace_unstorable(vote.comment)
    return {**asdict(vote), "comment": comment}


def gap_from_row(row: sa.Row[Any], votes: Sequence[Vote]) -> Gap:
    """Return the gap in a row of ``answers`` with its votes, the earliest first."""
    values = row._asdict()
    downs = [vote for vote in votes if not vote.is_up]
    return Gap(
        values["answer_id"],
        values["searched_for"] or values["question"],
        values["asked_at"],
        values["asker_id"],
        _parse_scope(values["collections"]),
        AnswerStatus(values["status"]),
        downs=len(downs),
        ups=len(votes) - len(downs),
        comments=tuple(vote.comment for vote in downs if vote.comment),
    )


def feedback_from_row(row: sa.Row[Any]) -> Feedback:
    """Return a vote that was selected with its answer's question, status, sources and collections."""
    values = row._asdict()
    return Feedback(
        values["answer_id"],
        values["question"],
        AnswerStatus(values["status"]),
        values["is_up"],
        values["comment"] or "",
        values["at"],
        values["user_id"],
        tuple(dict.fromkeys(source.document for source in _parse_sources(values["sources"]))),
        _parse_scope(values["collections"]),
    )


def _parse_scope(collections: Sequence[str]) -> Scope:
    return Scope(frozenset(collections))


def _parse_sources(json_text: str) -> tuple[Source, ...]:
    return tuple(_parse_source(values) for values in json.loads(json_text))


def _parse_source(values: Mapping[str, Any]) -> Source:
    """Return a source as any release wrote it: missing fields get their defaults, unknown ones are dropped."""
    known = {name: value for name, value in values.items() if name in _SOURCE_FIELDS}
    if known.get("date"):
        known["date"] = datetime.fromisoformat(known["date"])
    return Source(**known)
