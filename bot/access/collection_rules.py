"""Reads who may see which collection from the files ``@NAME.toml`` beside the documents.

The files are small and few, and are read again for each question, so that a change takes effect at once. A broken file
closes its own collection, is reported, and affects no other.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import tomllib
import unicodedata
from typing import TYPE_CHECKING, Final

from bot.access.scopes import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 64_000
"""Largest file of rules, in bytes; a larger one closes its collection."""

_KEYS = ("guilds", "roles", "users", "channels")
_SUFFIX = ".toml"
_MAX_ID = 2**63 - 1  # Discord's ids are smaller
_SCAN_DEPTH = 4  # folders inside one another that are searched for misplaced collections
_SCAN_FOLDERS = 2_000  # folders that are searched for them


class RulesUnreadable(Exception):
    """A rule file that cannot be read; nobody sees its collection until it is corrected."""


class Rules:
    """Loads the rules in a documents' folder, and logs each problem once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._logged_faults: frozenset[str] = frozenset()
        self._has_searched = False

    async def find_faults(self) -> frozenset[str]:
        """Return a sentence for each rule file that is broken now."""
        await self.load()
        return self._logged_faults

    async def load(self) -> Mapping[str, Rule]:
        """Return each collection's rule by its name without the ``@``; one whose file is broken is closed."""
        rules, faults = await asyncio.to_thread(read_rules, self._root)
        for fault in sorted(faults - self._logged_faults):
            _log.warning("collection rules failed: %s Nobody sees that collection.", fault)
        self._logged_faults = faults
        if not self._has_searched:
            self._has_searched = True
            for warning in await asyncio.to_thread(find_misplaced_collections, self._root):
                _log.warning("%s", warning)
        return rules


def read_rules(root: Path) -> tuple[dict[str, Rule], frozenset[str]]:
    """Return the rules in a folder, and a sentence for each file of them that is broken."""
    rules: dict[str, Rule] = {}
    faults: set[str] = set()
    for file in sorted(_list_names(root)):
        if not (file.startswith("@") and file.lower().endswith(_SUFFIX) and len(file) > len(_SUFFIX) + 1):
            continue
        name = file[1 : -len(_SUFFIX)]
        try:
            if name in rules:
                raise RulesUnreadable("There are two files of rules for this collection.")  # noqa: TRY301 - one way out
            rules[name] = parse_rule(_read_file(root / file))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one file must not open it, nor close others
            reason = (
                str(error) if isinstance(error, RulesUnreadable) else f"It cannot be read ({type(error).__name__})."
            )
            faults.add(f"{_make_printable(file)}: {reason}")
            rules[name] = Rule()
    return rules, frozenset(faults)


def _list_names(root: Path) -> list[str]:
    try:
        return [path.name for path in root.iterdir()]
    except OSError:
        return []  # no rules open nothing


def _read_file(path: Path) -> str:
    """Return a file's text; a pipe or a device is not waited for.

    Raises:
        RulesUnreadable: It is no regular file, too large or not UTF-8.
        OSError: It cannot be opened.
    """
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise RulesUnreadable("It is not a regular file.")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise RulesUnreadable(f"It is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RulesUnreadable("It is not UTF-8.") from error


def parse_rule(text: str) -> Rule:
    """Parse a rule from TOML: lists of ids, as numbers or strings, under guilds, roles, users and channels.

    Raises:
        RulesUnreadable: It is not TOML, or says something else.
    """
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesUnreadable(f"This is not TOML: {error}.") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists
        raise RulesUnreadable(
            "This is not TOML that can be read: a number is too long or lists are too deep."
        ) from error
    if unknown := sorted(set(written) - set(_KEYS)):
        raise RulesUnreadable(f"{_make_printable(unknown[0])[:50]} is none of {', '.join(_KEYS)}.")
    return Rule(**{key: _parse_ids(key, written[key]) for key in written})


def _parse_ids(key: str, value: object) -> frozenset[int]:
    if not isinstance(value, list):
        raise RulesUnreadable(f"{key} must be a list of ids, such as [123456789012345678].")
    if not value:
        raise RulesUnreadable(f"{key} is an empty list, which admits nobody: write ids, or remove the line.")
    return frozenset(_parse_id(key, each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - whatever a person wrote


def _parse_id(key: str, value: object) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    is_digits = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_ID))
    number = int(value) if is_number or is_digits else -1  # type: ignore[call-overload]
    if not 0 <= number <= _MAX_ID:
        shown = repr(value)[:40] if isinstance(value, str) or number == value else type(value).__name__
        raise RulesUnreadable(f"{key} holds {shown}, which is not an id.")
    return number


def find_misplaced_collections(root: Path) -> list[str]:
    """Warn of folders and rules that look like a collection's and are not, so that their documents are shared."""
    return sorted(set(_find_misplaced(root)))


def _find_misplaced(root: Path) -> Iterator[str]:
    folders: list[tuple[str, ...]] = [()]
    looked = 0
    while folders and looked < _SCAN_FOLDERS:
        parts = folders.pop(0)
        looked += 1
        try:
            with os.scandir(root.joinpath(*parts)) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]
        except OSError:
            continue
        for name, is_folder, is_link in found:
            shown = _make_printable("/".join((*parts, name)))
            is_rules = name.lower().endswith(_SUFFIX)
            if (is_folder or is_rules) and _looks_like_at_sign(name):
                yield f"{shown} does not begin with the sign @ but with one that looks like it: it protects nothing."
            elif parts and name.startswith("@") and (is_folder or is_rules):
                yield f"{shown} is not directly in the documents' folder: it protects nothing."
            elif not parts and is_link and name.startswith("@") and not is_rules:
                yield f"{shown} is a link, and not a collection: its documents belong to the folder it leads to."
            if is_folder and not name.startswith(".") and len(parts) < _SCAN_DEPTH:
                folders.append((*parts, name))


def _looks_like_at_sign(name: str) -> bool:
    """Return whether a name seems to begin with "@": a similar character, or invisible ones before it."""
    if name.startswith("@"):
        return False
    visible = "".join(each for each in name if unicodedata.category(each) not in {"Cf", "Cc", "Zs", "Mn"})
    return unicodedata.normalize("NFKC", visible).startswith("@")


def _make_printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text.encode("utf-8", "replace").decode())
