"""What a bot may put into a message: a request's body read, trimmed and held against Discord's limits. Pure."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
"""An object as it goes over the wire."""

CONTENT_LIMIT = 2_000
"""Longest content, in code points."""

NONCE_LIMIT = 25
"""Longest nonce, in characters."""

EMBEDS_LIMIT = 10
EMBED_TEXT_LIMIT = 6_000
"""Most text over all embeds of a message, in characters."""

DEFAULT_CONTENT_TYPE = "application/octet-stream"
"""What a file is said to be where nobody knows."""

EMBED_PART_LIMITS = {"title": 256, "description": 4_096}


class ApiError(Exception):
    """Discord says no: an HTTP status, its own error code and its words; ``errors`` names the field at fault."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    @classmethod
    def for_field(cls, field: str, code: str, message: str) -> ApiError:
        """The 50035 that names what is wrong with one field."""
        return cls(400, 50035, "Invalid Form Body", {field: {"_errors": [{"code": code, "message": message}]}})

    def to_json(self) -> Json:
        """What is sent back."""
        body: Json = {"message": self.message, "code": self.code}
        return body if self.errors is None else body | {"errors": self.errors}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file at a message; ``id`` is 0 until the message stands."""

    filename: str
    content: bytes
    content_type: str = DEFAULT_CONTENT_TYPE
    id: int = 0

    @property
    def media_type(self) -> str:
        """What it is, as Discord says it: guessed by its name where the sender did not say, and text in UTF-8."""
        guessed = mimetypes.guess_type(self.filename)[0] if self.content_type == DEFAULT_CONTENT_TYPE else None
        media_type = guessed or self.content_type
        is_bare_text = media_type.startswith("text/") and "charset" not in media_type
        return f"{media_type}; charset=utf-8" if is_bare_text else media_type


@dataclass(frozen=True, slots=True)
class Draft:
    """The message in a request; None where the request does not name a part. ``kept_file_ids`` are ids."""

    content: str | None = None
    embeds: tuple[Json, ...] | None = None
    components: tuple[Json, ...] | None = None
    flags: int | None = None
    files: tuple[Attachment, ...] = ()
    kept_file_ids: frozenset[int] | None = None
    allowed_mentions: Json | None = None
    nonce: str | None = None
    enforce_nonce: bool = False
    reference_id: int | None = None
    must_reference_exist: bool = True

    @classmethod
    def parse(cls, body: Json, files: Sequence[Attachment] = ()) -> Draft:
        """A request's body as a draft.

        Raises:
            Refusal: 50035 where a part is over its limit.
        """
        reference: Json = body.get("message_reference") or {}
        return cls(
            content=_parse_content(body),
            embeds=_parse_embeds(body),
            components=_parse_list(body, "components"),
            flags=body.get("flags"),
            files=tuple(files),
            kept_file_ids=_parse_kept_file_ids(body),
            allowed_mentions=body.get("allowed_mentions"),
            nonce=_parse_nonce(body),
            enforce_nonce=bool(body.get("enforce_nonce", False)),
            reference_id=int(reference["message_id"]) if "message_id" in reference else None,
            must_reference_exist=bool(reference.get("fail_if_not_exists", True)),
        )


def _parse_list(body: Json, field: str) -> tuple[Json, ...] | None:
    """A list in the body; sent as null it empties what was there."""
    return tuple(body[field] or ()) if field in body else None


def _parse_content(body: Json) -> str | None:
    if "content" not in body:
        return None
    content = str(body["content"] or "").strip()
    if len(content) > CONTENT_LIMIT:
        raise ApiError.for_field("content", "BASE_TYPE_MAX_LENGTH", f"Must be {CONTENT_LIMIT} or fewer in length.")
    return content


def _parse_embeds(body: Json) -> tuple[Json, ...] | None:
    embeds = _parse_list(body, "embeds")
    if embeds is None:
        return None
    if len(embeds) > EMBEDS_LIMIT:
        raise ApiError.for_field("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {EMBEDS_LIMIT} or fewer in length.")
    for part, limit in EMBED_PART_LIMITS.items():
        if any(len(embed.get(part) or "") > limit for embed in embeds):
            raise ApiError.for_field("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
    if sum(map(_count_embed_text, embeds)) > EMBED_TEXT_LIMIT:
        raise ApiError.for_field("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    return embeds


def _count_embed_text(embed: Json) -> int:
    fields: list[Json] = embed.get("fields") or []
    texts = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
    texts += [(embed.get("author") or {}).get("name"), *(field[key] for field in fields for key in ("name", "value"))]
    return sum(len(text or "") for text in texts)


def _parse_kept_file_ids(body: Json) -> frozenset[int] | None:
    """The ids of the files that stay; a new file is named by its place in the form, which is no one's id."""
    attachments = _parse_list(body, "attachments")
    return None if attachments is None else frozenset(int(a["id"]) for a in attachments)


def _parse_nonce(body: Json) -> str | None:
    nonce = body.get("nonce")
    if nonce is None:
        return None
    if len(str(nonce)) > NONCE_LIMIT:
        raise ApiError.for_field("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {NONCE_LIMIT} or fewer in length.")
    return str(nonce)
