"""How Discord's client shows a message: the judge of every test about what is shown.

It reads whole texts only, is slow and plain, and knows nothing of ``bot``. The client descends from simple-markdown,
whose rules are published; what Discord adds is partly documented, partly known from people who tried it. Where that
leaves a doubt there are several readings: what must never happen must happen in none, what must hold must hold in all.

>>> links = live_links("[a](https://a.test)")
>>> [(link.label, link.url, link.kind) for link in links]
[('a', 'https://a.test', 'masked')]
"""

from __future__ import annotations

from tests.reference_markdown.showing import (
    Link,
    Reading,
    certain_code,
    code_blocks,
    code_spans,
    live_links,
    mentions,
    possible_links,
    readings,
    render,
    shown_text,
)

__all__ = [
    "Link",
    "Reading",
    "certain_code",
    "code_blocks",
    "code_spans",
    "live_links",
    "mentions",
    "possible_links",
    "readings",
    "render",
    "shown_text",
]
