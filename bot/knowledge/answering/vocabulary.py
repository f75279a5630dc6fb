"""Checks which telling words of a question the index holds, and corrects those that are misspelt."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from llama_index.core.utils import get_tokenizer

from bot.knowledge.answering.passages import get_text_node
from bot.knowledge.splitting.splitter import get_searchable_text
from bot.text.search_terms import guess_language

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bot.domain import Scope
    from bot.knowledge.stores.store import Store

MAX_CHECKED_WORDS: Final = 8
"""Words looked up for one question: each is a search of its own."""

MIN_CORRECTED_LENGTH: Final = 5
"""Characters of a word that is corrected: a shorter one is near too many others."""

_MIN_BASE: Final = 4  # letters that are left of a word without its beginning
_BATCH_SIZE: Final = 60  # words looked up by one search; a store takes 64
_BATCH_PASSAGES: Final = 8
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_WORD: Final = re.compile(r"[^\W_]+")
_SENTENCE_START: Final = re.compile(r"(?:^|[.!?:\n])[\"'“(*`\s]*$")
_IS_MIXED: Final = re.compile(r"[A-Z].*[A-Z]|[a-z][A-Z]|[^\W\d_]\d|\d[^\W\d_]")
# Endings that come off before a word is looked up among the ordinary ones, and what stood there before them.
_INFLECTIONS: Final = (
    *(("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("en", ""), ("en", "e"), ("ing", ""), ("ing", "e")),
    *(("er", ""), ("er", "e"), ("est", ""), ("est", "e"), ("ly", "")),
)
_PREFIXES: Final = ("mis", "un", "over", "non", "dis")
"""Beginnings that come off likewise: who mistyped a password asks about typing."""


class WordChecker:
    """Looks up the telling words of one question inside the asker's scope.

    After ``correct``, ``corrections`` are the words that were replaced, and ``missing`` the words that no visible
    document holds, both as the question spells them.
    """

    def __init__(self, store: Store, scope: Scope, *, file_texts: Sequence[str] = ()) -> None:
        """Make it.

        Args:
            store: Where the words are looked up.
            scope: The collections the asker may see: nobody learns which words others hold.
            file_texts: Texts that came with the question; what they hold is not missing.
        """
        self._store = store
        self._scope = scope
        self._file_texts = [text.casefold() for text in file_texts]
        self.corrections: dict[str, str] = {}
        self.missing: tuple[str, ...] = ()

    async def correct(self, question: str) -> str:
        """Return the question with each misspelt word replaced by the nearest that the index holds."""
        missing: list[str] = []
        for word in find_telling_words(question)[:MAX_CHECKED_WORDS]:
            if await self._is_known(word):
                continue
            nearest = await self._find_nearest(word)
            if nearest:
                self.corrections[word] = nearest
                question = re.sub(rf"\b{re.escape(word)}\b", nearest, question)
            else:
                missing.append(word)
        self.missing = tuple(missing)
        return question

    @property
    def notice(self) -> str:
        """Say which words were searched for instead; "" where the question was left as it is."""
        words = ", ".join(f"*{word}*" for word in self.corrections.values())
        return f"Searched for {words}." if words else ""

    async def _is_known(self, word: str) -> bool:
        folded = word.casefold()
        return any(folded in text for text in self._file_texts) or bool(
            await self._find_passages(folded, 1)  # folded: "WireGuard" is not known where "guard" is
        )

    async def _find_nearest(self, word: str) -> str:
        """Return the most frequent indexed word that is one slip away; "" where there is none.

        A slip spares the first letter. In a name no letter is changed for another: "Brien" is not "brief".
        """
        if len(word) < MIN_CORRECTED_LENGTH or not (word.isascii() and word.isalpha()):
            return ""
        folded = word.casefold()
        candidates = [
            edit
            for edit in sorted(generate_edits(folded))
            if edit[0] == folded[0] and (word.islower() or len(edit) != len(word) or sorted(edit) == sorted(folded))
        ]
        found: Counter[str] = Counter()
        for start in range(0, len(candidates), _BATCH_SIZE):
            batch = candidates[start : start + _BATCH_SIZE]
            for text in await self._find_passages(" ".join(batch), _BATCH_PASSAGES):
                found.update(set(_WORD.findall(text.casefold())).intersection(batch))
        return max(found, key=lambda candidate: (found[candidate], candidate), default="")

    async def _find_passages(self, words: str, limit: int) -> list[str]:
        hits = await self._store.search(words, None, collections=self._scope.collections, top_k=limit)
        return [get_searchable_text(get_text_node(hit)) for hit in hits.by_keywords]


def find_telling_words(question: str) -> list[str]:
    """Return the words without which a passage hardly answers: names, and words that are rare in English.

    A name is known by a capital inside a sentence or by digits among its letters. In other languages than English only
    mixed case and digits tell: German writes every noun with a capital.
    """
    language = guess_language(question)
    if not language:
        return []
    is_english = language == "en"
    telling = [
        found.group()
        for found in _WORD.finditer(question)
        if _IS_MIXED.search(found.group())
        or (is_english and len(found.group()) > 1 and not found.group().isdecimal() and _is_rare(question, found))
    ]
    return list(dict.fromkeys(telling))


def _is_rare(question: str, found: re.Match[str]) -> bool:
    word = found.group()
    is_capital_inside = word[0].isupper() and not _SENTENCE_START.search(question[: found.start()])
    return is_capital_inside or not is_ordinary_word(word)


def is_ordinary_word(word: str) -> bool:
    """Return whether a word, in one of its forms, is so common that a tokenizer has one token for it."""
    folded = word.casefold()
    bases = [folded, *(folded.removeprefix(prefix) for prefix in _PREFIXES if folded.startswith(prefix))]
    forms = [form for base in bases if len(base) >= min(len(folded), _MIN_BASE) for form in _list_forms(base)]
    return any(len(get_tokenizer()(f" {form}")) == 1 for form in forms)


def _list_forms(word: str) -> Iterator[str]:
    yield word
    for ending, before in _INFLECTIONS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2:  # noqa: PLR2004 - what is left of a shorter word is none
            yield stem + before
            if not before and stem[-1] == stem[-2]:
                yield stem[:-1]


def generate_edits(word: str) -> Collection[str]:
    """Return what one slip makes of a word: a letter lost, doubled, changed, or two swapped."""
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    lost = {before + after[1:] for before, after in splits if after}
    swapped = {before + after[1] + after[0] + after[2:] for before, after in splits if len(after) > 1}
    changed = {before + letter + after[1:] for before, after in splits if after for letter in _LETTERS}
    added = {before + letter + after for before, after in splits for letter in _LETTERS}
    return (lost | swapped | changed | added) - {word}
