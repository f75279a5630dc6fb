"""The readings: each a plausible way in which the client shows a text, from rules in their order."""

from __future__ import annotations

from tests.reference_markdown import discord_rules as discord
from tests.reference_markdown import library_rules as library
from tests.reference_markdown.parsing import Parser, Tier

_BULLETS = " *+-0123456789"
_EMPHASIS = Tier("*_", (library.italic, library.bold, library.underline))
_NAMES = Tier("<@", (discord.mention, discord.emoji, discord.timestamp, discord.phone))

LIBRARY = Parser(
    (
        Tier(_BULLETS, (library.items,)),
        Tier("\n", (library.blank_lines,)),
        Tier("", (library.paragraph,)),
        Tier("\\", (library.escape,)),
        Tier("<", (library.autolink,)),
        Tier("<", (library.email,)),
        Tier("h", (library.bare_url,)),
        Tier("[", (library.link,)),
        _EMPHASIS,
        Tier("~", (library.strike,)),
        Tier("`", (library.code_span,)),
        Tier(" ", (library.line_break,)),
        Tier("", (library.text,)),
    )
)
"""The library's own rules in its own order: what it can be compared with. Not a reading of the client."""

PUBLISHED = Parser(
    (
        Tier("|", (discord.spoiler,)),
        Tier("-", (discord.subtext,)),
        Tier("#", (discord.heading,)),
        Tier("`", (discord.code_block,)),
        Tier(" >", (discord.quote,)),
        Tier(_BULLETS, (discord.items_to_blank_line,)),
        Tier("\\", (library.escape,)),
        Tier("<", (library.autolink,)),
        Tier("<", (library.email,)),
        Tier("h", (library.bare_url,)),
        Tier("[", (library.link,)),
        _NAMES,
        _EMPHASIS,
        Tier("~", (discord.strike,)),
        Tier("`", (library.code_span,)),
        Tier(" ", (library.line_break,)),
        Tier("¯", (discord.shrug,)),
        Tier("", (library.text,)),
    )
)
"""The published rules to the letter, with Discord's additions between them: any address is live, lists are long."""

CLIENT = Parser(
    (
        Tier("|", (discord.spoiler,)),
        Tier("-", (discord.subtext,)),
        Tier("#", (discord.greedy_heading,)),
        Tier("`", (discord.code_block,)),
        Tier(" >", (discord.quote,)),
        Tier(_BULLETS, (discord.items,)),
        Tier("¯", (discord.shrug,)),
        Tier("\\", (library.escape,)),
        Tier("<", (discord.autolink,)),
        Tier("<", (discord.email,)),
        Tier("hHsSdD", (discord.bare_url,)),
        Tier("[", (discord.link,)),
        _NAMES,
        _EMPHASIS,
        Tier("~", (discord.strike,)),
        Tier("`", (library.code_span,)),
        Tier("", (discord.sign,)),
    ),
    remembers_line=True,
)
"""As people who tried the client report it: short lists, greedy items and headings, labels as wide as published."""

CAREFUL = Parser(
    (
        Tier("|", (discord.spoiler,)),
        Tier("-", (discord.subtext,)),
        Tier("#", (discord.heading,)),
        Tier("`", (discord.code_block,)),
        Tier(" >", (discord.quote,)),
        Tier(_BULLETS, (discord.tight_items,)),
        Tier("¯", (discord.shrug,)),
        Tier("\\", (library.escape,)),
        Tier("<", (discord.careful_autolink,)),
        Tier("<", (discord.email,)),
        Tier("hHsSdD", (discord.bare_url,)),
        Tier("[", (discord.careful_link,)),
        _NAMES,
        _EMPHASIS,
        Tier("~", (library.strike,)),
        Tier("`", (library.code_span,)),
        Tier("", (discord.sign,)),
    ),
    remembers_line=True,
)
"""A client that takes no line of a fence into a list or a heading, and reads code in a label before the label's end."""

READINGS = {"published": PUBLISHED, "client": CLIENT, "careful": CAREFUL}
"""Every reading by its name."""
