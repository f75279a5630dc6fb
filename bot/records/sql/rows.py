"""A record becomes a row, and a row, whichever release wrote it, a record."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.domain import AnswerStatus, Scope, Source, Usage
from bot.records.values import AnswerRecord, UsageRecord, Vote

if TYPE_CHECKING:
    import sqlalchemy as sa

_SOURCE_FIELDS = frozenset(each.name for each in fields(Source))


def record_to_row(record: AnswerRecord) -> dict[str, Any]:
    """The columns of an answer that a record fills."""
    return {
        "key": record.answer_id,
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
        "fate": record.status.value,
        "ended_at": record.ended_at,
        "prompt_tokens": record.usage.prompt,
        "completion_tokens": record.usage.completion,
        "first_word_at": record.first_word_at,
        "is_automatic": record.is_automatic,
        "attached": list(record.attached),
    }


def record_from_row(values: dict[str, Any]) -> AnswerRecord:
    """The record that filled these columns; those that are nobody's concern but the table's are passed over."""
    for name in ("done_at", "done_by"):
        values.pop(name)
    return AnswerRecord(
        answer_id=values.pop("key"),
        scope=scope_from_json(values.pop("collections")),
        message_ids=tuple(values.pop("message_ids")),
        sources=parse_sources(values.pop("sources")),
        status=AnswerStatus(values.pop("fate")),
        usage=Usage(values.pop("prompt_tokens"), values.pop("completion_tokens")),
        attached=tuple(values.pop("attached")),
        **values,
    )


_COLUMNS = {"answer_id": "key", "comment": "words"}
_FIELDS = {column: name for name, column in _COLUMNS.items()}


def vote_to_row(vote: Vote) -> dict[str, Any]:
    """Return the columns that a vote fills."""
    return {_COLUMNS.get(name, name): value for name, value in asdict(vote).items()}


def vote_from_row(row: sa.Row[Any]) -> Vote:
    """Return the vote that filled these columns."""
    return Vote(**{_FIELDS.get(name, name): value for name, value in row._asdict().items()})


def usage_to_row(usage_record: UsageRecord) -> dict[str, Any]:
    """Return the columns that a usage record fills."""
    return {_COLUMNS.get(name, name): value for name, value in asdict(usage_record).items()}


def usage_from_row(row: sa.Row[Any]) -> UsageRecord:
    """Return the usage record that filled these columns."""
    return UsageRecord(**{_FIELDS.get(name, name): value for name, value in row._asdict().items()})


def scope_from_json(collections: list[str]) -> Scope:
    """A scope as it was written."""
    return Scope(frozenset(collections))


def parse_sources(json_text: str) -> tuple[Source, ...]:
    """Sources as they were written."""
    return tuple(_parse_source(values) for values in json.loads(json_text))


def replace_unstorable(text: str) -> str:
    """The text without what no database takes: half characters, and the character that ends a text in C."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _parse_source(values: dict[str, Any]) -> Source:
    """A source as it was written: fields it did not have then have their defaults, those it has no more are dropped."""
    known = {name: value for name, value in values.items() if name in _SOURCE_FIELDS}
    if known.get("date"):
        known["date"] = datetime.fromisoformat(known["date"])
    return Source(**known)
