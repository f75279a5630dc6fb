"""Reads subtitles and transcripts (WebVTT, SubRip) as paragraphs of speech, each with the time it begins at."""

from __future__ import annotations

import html
import re
from typing import Final

from bot.knowledge.readers.page import Page
from bot.knowledge.readers.text import decode_text

_TIMES = re.compile(r"^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}\s*-->")
_SPEAKER = re.compile(r"<v(?:\.[\w.]+)?\s+([^>]{1,80})>")
_PARAGRAPH_SECONDS: Final = 60  # of speech in one paragraph; a new speaker begins one too


def read_subtitles(content: bytes) -> list[Page]:
    """Read a file of cues; what is shown twice in a row is kept once."""
    paragraphs: list[tuple[int, str, list[str]]] = []
    last = ""
    for begin, speaker, words in _parse_cues(decode_text(content)):
        if words == last:
            continue
        last = words
        is_new = not paragraphs or begin - paragraphs[-1][0] >= _PARAGRAPH_SECONDS or speaker != paragraphs[-1][1]
        if is_new:
            paragraphs.append((begin, speaker, []))
        paragraphs[-1][2].append(words)
    lines = [
        f"[{_format_time(begin)}] {f'{speaker}: ' if speaker else ''}{' '.join(words)}"
        for begin, speaker, words in paragraphs
    ]
    return [Page("\n\n".join(lines), is_markdown=False)]


def _parse_cues(text: str) -> list[tuple[int, str, str]]:
    """Return each cue's begin in seconds, its speaker if it names one, and its words."""
    cues: list[tuple[int, str, str]] = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        place = next((number for number, line in enumerate(lines[:3]) if _TIMES.match(line)), None)
        if place is None or (times := _TIMES.match(lines[place])) is None:
            continue  # a note, a style, the file's header
        written = " ".join(lines[place + 1 :])
        speaker = _SPEAKER.search(written)
        words = " ".join(html.unescape(re.sub(r"<[^>]{0,200}>|\{\\[^}]{0,50}\}", "", written)).split())
        hours, minutes, seconds = (int(each or 0) for each in times.groups())
        if words:
            cues.append((hours * 3600 + minutes * 60 + seconds, speaker[1].strip() if speaker else "", words))
    return cues


def _format_time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
