"""Reads a saved e-mail: who wrote to whom and when, its text, and the names of what was attached."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html import parse_html
from bot.knowledge.readers.page import Page

_SHOWN_HEADERS: Final = ("From", "To", "Cc", "Date")


def read_mail(content: bytes) -> list[Page]:
    """Read an e-mail as RFC 5322 has it; its title is its subject.

    Raises:
        DocumentUnreadable: It is no e-mail.
    """
    try:
        message = email.message_from_bytes(content, _class=EmailMessage, policy=email.policy.default)
        subject = _read_header(message, "Subject")
        heads = [f"{name}: {value}" for name in _SHOWN_HEADERS if (value := _read_header(message, name))]
        body = _read_body(message)
        attached = [name for part in message.iter_attachments() if (name := part.get_filename())]
    except DocumentUnreadable:
        raise
    except Exception as error:  # the library raises many kinds for what is not as it should be
        raise DocumentUnreadable("damaged e-mail") from error
    if not (heads or subject):
        raise DocumentUnreadable("its content is not an e-mail")
    parts = ["\n".join(f"- {head}" for head in heads), body.strip()]
    parts += [f"Attached: {', '.join(attached)}"] if attached else []
    return [Page("\n\n".join(filter(None, parts)), subject)]


def _read_header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name) or "").split())


def _read_body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else str(part.get_payload()).encode("utf-8", "replace")
    try:
        text = raw.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = raw.decode("cp1252", "replace")
    return parse_html(text).text if part.get_content_subtype() == "html" and text.strip() else text
