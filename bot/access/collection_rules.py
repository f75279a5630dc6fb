"""Who may see which collection, as it is written beside the documents: ``@NAME.toml`` goes in, a Rule comes out.

The files are small and few; they are looked at again whenever they are asked for, so that a change holds at once.
"""

from __future__ import annotations

import asyncio
import logging
import tomllib
from typing import TYPE_CHECKING

from bot.access.scopes import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

_MAX_FILE_BYTES = 64_000
"""Bytes of a file of rules that are read at most."""
_KEYS = ("guilds", "roles", "users", "channels")


class RulesUnreadable(Exception):
    """A file of rules that cannot be understood; its collection is seen by nobody until it can."""


class Rules:
    """The rules in a documents' folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._logged_faults: frozenset[str] = frozenset()

    async def load(self) -> Mapping[str, Rule]:
        """Each collection's rule, by its name without the ``@``. One that cannot be read is shut."""
        rules, faults = await asyncio.to_thread(read_rules, self._root)
        for fault in sorted(faults - self._logged_faults):
            _log.warning("%s Nobody sees that collection.", fault)
        self._logged_faults = faults
        return rules


def read_rules(root: Path) -> tuple[dict[str, Rule], frozenset[str]]:
    """The rules in a folder, and a sentence for each file of them that cannot be understood."""
    rules: dict[str, Rule] = {}
    faults: set[str] = set()
    for path in sorted(root.glob("@*.toml")):
        try:
            with path.open("rb") as file:
                rules[path.stem[1:]] = parse_rule(file.read(_MAX_FILE_BYTES).decode())
        except (RulesUnreadable, OSError, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, RulesUnreadable) else "It cannot be read."
            faults.add(f"{path.name}: {reason}")
            rules[path.stem[1:]] = Rule()
    return rules, frozenset(faults)


def parse_rule(text: str) -> Rule:
    """A rule from TOML: lists of ids, as numbers or strings, under guilds, roles, users and channels.

    Raises:
        RulesUnreadable: it is no TOML, or says something else.
    """
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesUnreadable(f"This is not TOML: {error}.") from error
    if unknown := sorted(set(written) - set(_KEYS)):
        raise RulesUnreadable(f"{unknown[0]} is none of {', '.join(_KEYS)}.")
    return Rule(**{key: _parse_ids(key, written[key]) for key in written})


def _parse_ids(key: str, value: object) -> frozenset[int]:
    if not isinstance(value, list):
        raise RulesUnreadable(f"{key} must be a list of ids, such as [123456789012345678].")
    ids: set[int] = set()
    for each in value:  # pyright: ignore[reportUnknownVariableType] - whatever a person wrote
        if isinstance(each, bool) or not isinstance(each, int | str) or not str(each).isdecimal():
            raise RulesUnreadable(f"{key} holds {each!r}, which is no id.")
        ids.add(int(each))
    return frozenset(ids)
