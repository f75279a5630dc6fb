"""Formats numbers and shortens texts for people: plurals, truncation, and the length that Discord counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun: "1 file", "1,200 files", or with an irregular ``plural`` "2 people"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def truncate(text: str, length: int) -> str:
    """Shorten a text to at most ``length`` characters; an ellipsis marks the cut."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def utf16_length(text: str) -> int:
    """Count UTF-16 code units: the most that Discord can count. A lone surrogate counts one."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def format_left_out(reasons: Mapping[str, str]) -> str:
    """Return "5 files left out: 2 have the same text as another file, 3 only lead to other pages"; "" for none."""
    copies = sum(reason.startswith("the same text") for reason in reasons.values())
    others = len(reasons) - copies
    parts = [
        *([f"{copies:,} {'has' if copies == 1 else 'have'} the same text as another file"] if copies else []),
        *([f"{others:,} only {'leads' if others == 1 else 'lead'} to other pages"] if others else []),
    ]
    return f"{format_count(len(reasons), 'file')} left out: {', '.join(parts)}" if parts else ""


def format_passed_over(counts: Mapping[str, int], shown: int = 8) -> str:
    """Return "5 files of formats that are not read: .psd (3), .dwg (2)"; "" for none."""
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    kinds = [f"{suffix} ({count:,})" for suffix, count in ordered[:shown]]
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return f"{format_count(sum(counts.values()), 'file')} of formats that are not read: {', '.join(kinds)}{more}"
