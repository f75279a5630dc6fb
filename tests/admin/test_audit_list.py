"""The audit log as admins read it."""

from __future__ import annotations

import pytest

from bot.admin.audit_list import PER_PAGE, build_page
from bot.records import AuditEntry
from bot.text.wording import utf16_length

VISIBLE = frozenset({"", "team"})


def make_entry(command: str = "settings set", /, **details: object) -> AuditEntry:
    return AuditEntry(1_790_000_000.0, 5, 7, command, details)  # type: ignore[arg-type]


def test_entry_shows_when_who_what_and_how() -> None:
    page = build_page([make_entry(name="tone", value="*Kind* and short")], 0, VISIBLE)
    assert page.text.splitlines() == [
        "**Audit log: 1 entry, the latest first**",
        "- <t:1790000000:f> <@7> `settings set`: name tone, value \\*Kind\\* and short",
    ]


@pytest.mark.parametrize(
    ("details", "is_hidden"),
    [
        ({"collection": "team", "documents": ["@team/a.md"]}, False),
        ({"collection": "", "documents": ["a.md"]}, False),
        ({"collection": None, "full": True}, False),
        ({"collection": "pay"}, True),
        ({"documents": ["@team/a.md", "@pay/b.md"]}, True),
        ({"document": "@pay/b.md"}, True),
    ],
)
def test_details_of_collections_that_may_not_be_seen_are_hidden(details: dict[str, object], is_hidden: bool) -> None:
    text = build_page([make_entry("docs add", **details)], 0, VISIBLE).text
    assert ("details hidden" in text) == is_hidden
    assert "pay" not in text
    assert ("collection shared" in text) == (details.get("collection") == "")


def test_every_entry_is_on_one_page_and_every_page_fits_a_message() -> None:
    entries = [make_entry(f"command {number}", value="x" * 500) for number in range(3 * PER_PAGE)]
    last = build_page(entries, 0, VISIBLE).last
    pages = [build_page(entries, number, VISIBLE) for number in range(last + 1)]
    shown = "\n".join(page.text for page in pages)
    assert all(shown.count(f"`{entry.name}`") == 1 for entry in entries)
    assert all(utf16_length(page.text) <= 2_000 for page in pages)
    assert build_page(entries, 99, VISIBLE).number == last
