"""The readings: each a plausible way in which the client shows a text, from rules in their order."""

from __future__ import annotations

from tests.reference_markdown import discord_rules as discord
from tests.reference_markdown import library_rules as library
from tests.reference_markdown.parsing import Parser

_NAMES = (discord.mention,), (discord.emoji,), (discord.timestamp,), (discord.phone,)

LIBRARY = Parser(library.CORE)
"""The library alone: what it can be compared with. Not a reading of the client."""

PUBLISHED = Parser(
    (
        (discord.spoiler,),
        (discord.subtext,),
        (discord.heading,),
        (discord.code_block,),
        (discord.quote,),
        (discord.items_to_blank_line,),
        (library.escape,),
        (library.autolink,),
        (library.email,),
        (library.bare_url,),
        (library.link,),
        *_NAMES,
        (library.italic, library.bold, library.underline),
        (discord.strike,),
        (library.code_span,),
        (library.line_break,),
        (discord.shrug,),
        (library.text,),
    )
)
"""The published rules to the letter, with Discord's additions between them: any address is live, lists are long."""

CLIENT = Parser(
    (
        (discord.spoiler,),
        (discord.subtext,),
        (discord.greedy_heading,),
        (discord.code_block,),
        (discord.quote,),
        (discord.items,),
        (discord.shrug,),
        (library.escape,),
        (discord.autolink,),
        (discord.email,),
        (discord.bare_url,),
        (discord.link,),
        *_NAMES,
        (library.italic, library.bold, library.underline),
        (discord.strike,),
        (library.code_span,),
        (discord.sign,),
    ),
    remembers_line=True,
)
"""As people who tried the client report it: short lists, greedy items and headings, labels as wide as published."""

CAREFUL = Parser(
    (
        (discord.spoiler,),
        (discord.subtext,),
        (discord.heading,),
        (discord.code_block,),
        (discord.quote,),
        (discord.tight_items,),
        (discord.shrug,),
        (library.escape,),
        (discord.autolink,),
        (discord.email,),
        (discord.bare_url,),
        (discord.careful_link,),
        *_NAMES,
        (library.italic, library.bold, library.underline),
        (library.strike,),
        (library.code_span,),
        (discord.sign,),
    ),
    remembers_line=True,
)
"""A client that takes no line of a fence into a list or a heading, and reads code in a label before the label's end."""

READINGS = {"published": PUBLISHED, "client": CLIENT, "careful": CAREFUL}
"""Every reading by its name."""
