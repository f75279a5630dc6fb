# ruff: noqa: RUF001 - Russian letters look like others
"""Analyses text for keyword search: the same terms from passages and from questions, with or without spaces. Pure.

Passages are indexed as ``index_text``, questions as ``extract_query_terms``. A store that folds case, drops diacritics
and stems English (FTS5's porter over unicode61, say) then finds the same terms on both sides.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ANALYZER_VERSION: Final = "1"
"""Version of this analysis, kept with an index: change it with the code, and every index is rebuilt."""

# Scripts written without spaces, or, as Korean, with particles grown onto the words: each run is cut into pairs.
_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Chinese characters
    "\uac00-\ud7af"  # Korean
)
_RUN: Final = re.compile(f"(?P<unspaced>(?:(?=[^\\W_])[{_UNSPACED}])+)|(?P<word>[^\\W_{_UNSPACED}]+)")
_IS_UNSPACED: Final = re.compile(f"(?=[^\\W_])[{_UNSPACED}]")
_WORD: Final = re.compile(f"[^\\W_{_UNSPACED}]+")
COMBINING_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u1dff\u20d0-\u20ff\u2c00-\u2dff\u302a-\u302f\u3099-\u309a\ua000-\uabff\ud7b0-\uffff"
    "\U00010000-\U0001efff\U000e0000-\U000e0fff]"
)
"""Characters that may be combining marks: testing one by one costs more than everything else done to a text."""

# getUserName and HTTPServer are one name and several words.
_CASE_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Endings of Russian cases and verbs, the longest first. The script alone tells where they apply.
_CYRILLIC_ENDING: Final = re.compile(
    r"(?<=[а-яё]{3})(?:иями|ями|ами|ией|иям|ием|иях|ого|его|ому|ему|ыми|ими|ах|ях|ов|ев|ей|ой|ий|ый|ая|яя|ое|ее|ые|ие|"
    r"ых|их|ую|юю|ою|ею|ом|ем|ам|ям|ия|ию|ии|ться|ть|ся|ла|ло|ли|ет|ют|ут|ит|ат|ят|[аеиоуыьюяй])$"
)

_ENGLISH_ENDINGS: Final = tuple(
    re.compile(ending) for ending in (r"(?<=[a-z]{2}[^s])s$", r"(?<=[a-z]{3})(?:ing|ed)$", r"(?<=[a-z]{3})(?:ie|e|y)$")
)
_LAST_LATIN: Final = "\u024f"

# Words that say nothing about what is asked. "do", "die" and "war" say nothing in one language and much in another:
# only the words of the language a question is written in are left out.
_STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": """
            a about above after again against all am an and any are as at be because been before being below between
            both but by can could d did do does doing don down during each few for from further get had has have having
            he her here hers him his how i if in into is it its itself just ll m me more most my no nor not now of off
            on once only or other our ours out over own please re s same shall she should so some such t tell than that
            the their theirs them then there these they this those through to too under until up us ve very was we were
            what when where which while who whom whose why will with would you your yours""",
        "de": """
            aber alle als am an auch auf aus bei bin bis bitte da damit dann das dass dem den denn der des die dies
            diese diesem diesen dieser dieses doch du ein eine einem einen einer eines er es für hat hatte hatten haben
            ich ihr ihre im in ist ja kann kein keine können man mein mich mir mit muss nach nicht noch nur ob oder sein
            seine sich sie sind so über um und uns unser unter vom von vor war waren warum was welche welchem welchen
            welcher welches wem wen wenn wer werden wie wieso wir wird wo wofür wohin woher worden wurde wurden zu zum
            zur zwischen""",
        "fr": """
            à au aux avec ce ces cet cette combien comment d dans de des du elle elles en est et eu été être fait il ils
            j je l la le les leur leurs lui ma mais me mes mon n ne nos notre nous on ou où par pas pour pourquoi qu
            quand que quel quelle quelles quels qui quoi s sa sans se ses son sont sur ta te tes ton tu un une vos votre
            vous y était étaient""",
        "es": """
            a al algo como con cual cuales cuando cuanta cuantas cuanto cuantos cuál cuáles cuándo cuánta cuántas cuánto
            cuántos cómo de del desde donde dónde el ella ellos en entre era eran es esta este esto está están fue
            fueron ha había han hay la las le les lo los me mi no nos o para pero por porqué qué que quien quién quiénes
            se ser si sin sobre son su sus también te tu un una unas uno unos y ya yo""",
        "it": """
            a ai al alla alle anche che chi ci come con cosa da dal dalla dei del della delle di dove e ed era erano
            essere fu gli ha hanno i il in io l la le lo loro ma mi nei nel nella non o per perché più quale quali
            quando quanta quante quanti quanto questa questo qui se si sono stato su sua sue suo sul sulla tra un una
            uno è""",
        "pt": """
            a ao aos as com como da das de do dos e ela ele em era eram essa esse esta este foi foram há isso mas me na
            nas no nos não o onde os ou para pela pelo por porque quais qual quando quanta quantas quanto quantos que
            quem se sem ser seu seus sua suas são também tem um uma você é""",
        "nl": """
            aan al als bij dan dat de deze die dit door een en er had hebben heeft hem het hij hoe hoeveel hun ik in is
            je kan maar me met mijn moet naar niet nog of om onder ons onze ook op over te tot uit van voor waar waarom
            wanneer waren was wat welk welke werd wie wij worden wordt ze zijn zo zou""",
        "ru": """
            а без был была были было быть в вам вас во все вы где да для до его ее если есть еще же за и из или им их к
            как какая какие каким какими каких какой какова каково каковы какое какого каком какую ко когда который
            которая которое которые кто кого кому куда ли между меня мне мой мы на над не него нее нет ни них но о об он
            она они оно от откуда по под после почему при про с сколько со так такое там то только у уже чего чей чем
            чему что чтобы эта эти это этого этой этом этот я""",
    }.items()
}


LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "ru": "Russian",
}
"""The languages whose stop words are known."""

OTHER_SCRIPT: Final = "other"
"""Stands for the language of documents in another script than Latin."""


def index_text(text: str) -> str:
    """Return a passage's terms in order: its words in lower case, and bigrams of scripts without spaces.

    A camel-case name is indexed whole and in its parts. Punctuation is dropped.
    """
    return " ".join(_strip_cyrillic_ending(word) for run in _find_runs(text) for word in _split_for_index(run))


def extract_query_terms(text: str) -> list[str]:
    """The words a question is searched by, each once, in order; none is empty.

    Words that say nothing in the question's language are left out, unless there are no others.
    """
    words = [word for run in _find_runs(text) for word in _split_for_query(run)]
    silent = _find_stop_words(words)
    meaningful = [word for word in words if word not in silent] or words
    return list(dict.fromkeys(map(_strip_cyrillic_ending, meaningful)))


def extract_stems(text: str) -> list[str]:
    """Return the stems of a text, each as often as it occurs: for counting, not for showing."""
    words = [word for run in _find_runs(text) for word in _split_for_query(run)]
    silent = _find_stop_words(words)
    return [_strip_english_endings(_strip_cyrillic_ending(word)) for word in words if word not in silent]


def find_contained_stems(wanted: Iterable[str], text: str) -> set[str]:
    """Return which of these stems a text contains; much faster than extracting all of its stems."""
    folded = _fold(text)
    spread = f"{folded} {_CASE_BOUNDARY.sub(' ', folded)}".casefold()
    return {stem for stem in wanted if _contains_stem(stem, spread)}


def _contains_stem(stem: str, searchable_text: str) -> bool:
    """Whether the text, in lower case, has a word with this stem; a stem is always a prefix of its word."""
    if _IS_UNSPACED.match(stem):
        return stem in searchable_text
    place = searchable_text.find(stem)
    while place >= 0:
        word = _WORD.match(searchable_text, place)
        is_begun = place == 0 or not _WORD.match(searchable_text, place - 1)
        if is_begun and word is not None and _strip_english_endings(_strip_cyrillic_ending(word.group())) == stem:
            return True
        place = searchable_text.find(stem, place + 1)
    return False


def guess_language(text: str) -> str:
    """Return the language of a text by its stop words: "en" if they do not decide, "" in another script than Latin."""
    runs = list(_find_runs(text))
    foreign = sum(len(run["unspaced"] or "1") for run in runs if run.group()[0] > _LAST_LATIN)
    if foreign > sum(run.group()[0] <= _LAST_LATIN for run in runs):
        return ""
    words = [run.group().casefold() for run in runs]
    return max(_STOP_WORDS, key=lambda name: sum(word in _STOP_WORDS[name] for word in words))


def _find_runs(text: str) -> Iterator[re.Match[str]]:
    """Yield the runs of one kind of script."""
    return _RUN.finditer(_fold(text))


def _fold(text: str) -> str:
    """Return the text in one normal form and without combining marks, at which FTS5 would split."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if COMBINING_MARKS.search(folded):
        return "".join(sign for sign in folded if not unicodedata.category(sign).startswith("M"))
    return folded


def _split_for_index(run: re.Match[str]) -> list[str]:
    if characters := run["unspaced"]:
        return [*characters, *_make_bigrams(characters)] if len(characters) > 1 else [characters]
    return _split_identifier(run["word"])


def _split_for_query(run: re.Match[str]) -> list[str]:
    """Split as for the index, but with single characters only where they are alone: they would drown the bigrams."""
    characters = run["unspaced"]
    return _make_bigrams(characters) or [characters] if characters else _split_identifier(run["word"])


def _make_bigrams(characters: str) -> list[str]:
    return [first + second for first, second in pairwise(characters)]


def _split_identifier(word: str) -> list[str]:
    parts = _CASE_BOUNDARY.split(word)
    return [part.casefold() for part in ([word, *parts] if len(parts) > 1 else parts)]


def _strip_cyrillic_ending(word: str) -> str:
    """Strip a Cyrillic ending, which the stores' stemmer leaves."""
    return word if word.isascii() else _CYRILLIC_ENDING.sub("", word)


def _strip_english_endings(word: str) -> str:
    for ending in _ENGLISH_ENDINGS:
        word = ending.sub("", word)
    return word


def _find_stop_words(words: list[str]) -> frozenset[str]:
    """Return the stop words of the language that has most of them here; English if that is open."""
    return max(_STOP_WORDS.values(), key=lambda silent: sum(word in silent for word in words))
