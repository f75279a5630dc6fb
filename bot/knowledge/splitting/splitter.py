"""Splits Documents into passages of bounded length, each with the path of headings above it."""

from __future__ import annotations

import hashlib
import math
import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, NodeRelationship, ObjectType, RelatedNodeInfo, TextNode
from llama_index.core.utils import get_tokenizer

from bot.knowledge.splitting.blocks import BlockMap, split_code, split_text
from bot.knowledge.splitting.headings import HEADING_SEPARATOR, has_words, split_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from llama_index.core.schema import Document

    from bot.knowledge.splitting.headings import Section

SPLITTER_VERSION: Final = "6: 256/32"
"""Version of the splitter. Change it with its results: every document is then split anew at the next ingestion."""

PASSAGE_TOKENS: Final = 256
"""Longest passage with its title and headings, as ``measure_length`` counts."""
OVERLAP_TOKENS: Final = 32
SEARCHED_METADATA: Final = ("title", "section")
"""What is put above a passage where it is embedded and searched by keywords."""

TRUNCATION_NOTE: Final = "\n\n(Cut here: this is the beginning of a longer text.)"
"""Last line of a text that was shortened."""

_COUNTED_CHARS = 1_000  # characters counted at once: the time for a run without spaces grows with its length squared
_LONGEST_HEADER = 240  # characters of title and headings counted above a passage: some 60 tokens of the 256
_LONGEST_FINAL_HEADING = 48  # tokens of a heading that is joined to the passage before it
_PART_CHARS = 16_000  # characters given to LlamaIndex at once: it moves all that is left for every piece that it takes
_ALWAYS_SPLIT_CHARS = 8_192  # characters; such a text is cut without its tokens being counted first
_UNUSED_SEPARATOR = "\x00\x00"  # a paragraph separator that occurs in no text: blocks are found here, not by LlamaIndex
_CHARS_PER_TOKEN = 4  # of English prose
_WIDE_CHARS = 2.5  # letters of English that say as much as one Chinese, Japanese or Korean character
_OTHER_SCRIPT = re.compile(r"[^\W\d_\x00-\u024f]+[\u0300-\u036f\u0900-\u0dff]*")
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")


def build_passage_node(text: str, metadata: Mapping[str, Any], *, node_id: str) -> TextNode:
    """Make the node of one passage: its text is what is shown; title and headings stand above it where it is searched.

    ``metadata`` holds at least ``document``, ``collection``, ``title`` and ``section``.
    """
    document = str(metadata["document"])
    others = sorted(set(metadata) - set(SEARCHED_METADATA))
    return TextNode(
        id_=node_id,
        text=text,
        metadata=dict(metadata),
        excluded_embed_metadata_keys=others,
        excluded_llm_metadata_keys=others,
        metadata_template="{value}",
        text_template="{metadata_str}\n\n{content}",
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document, node_type=ObjectType.DOCUMENT)},
    )


def get_searchable_text(node: TextNode) -> str:
    """Return what an embedding model is given for a passage: title, heading path and text."""
    return node.get_content(MetadataMode.EMBED)


def count_tokens(text: str) -> int:
    """Count a text's tokens as OpenAI's models do; other models count about as many."""
    return len(get_tokenizer()(text))


def measure_length(text: str) -> int:
    """Return a text's length as a reader sees it, in tokens of English that are as long.

    Words in Latin letters count as their tokens. Other scripts cost up to four times as many tokens for text of the
    same length, so their words count by their characters.
    """
    if text.isascii():
        return len(get_tokenizer()(text))
    chars = 0.0

    def count_word(word: re.Match[str]) -> str:
        nonlocal chars
        wide = len(_WIDE.findall(word[0]))
        chars += len(word[0]) - wide + wide * _WIDE_CHARS
        return ""

    rest = _OTHER_SCRIPT.sub(count_word, text)
    return len(get_tokenizer()(rest)) + math.ceil(chars / _CHARS_PER_TOKEN)


def truncate_to_tokens(text: str, max_tokens: int) -> str:
    """Return the text, or as much of its beginning as fits with a note that it was cut.

    The time it takes grows with the number of tokens, whatever the text: it is counted in small pieces.
    """
    kept = _take_tokens(text, max_tokens)
    if len(kept) == len(text):
        return text
    kept = _take_tokens(text, max(max_tokens - count_tokens(TRUNCATION_NOTE), 0))
    last_gap = max(kept.rfind("\n"), kept.rfind(" "))
    return (kept[:last_gap] if last_gap > len(kept) // 2 else kept).rstrip() + TRUNCATION_NOTE


def _take_tokens(text: str, max_tokens: int) -> str:
    place = 0
    while place < len(text) and (taken := count_tokens(text[place : place + _COUNTED_CHARS])) <= max_tokens:
        max_tokens -= taken
        place += _COUNTED_CHARS
    fits, too_long = 0, len(text[place : place + _COUNTED_CHARS])
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if count_tokens(text[place : place + middle]) <= max_tokens:
            fits = middle
        else:
            too_long = middle
    return text[: place + fits]


def _find_first_word(text: str) -> int:
    """Return where in a text its first word begins; 0 if it has none."""
    word = re.search(r"[^\W_]", text)
    return word.start() if word else 0


def _is_title(heading: str, title: str) -> bool:
    """Whether a heading is the document's title, which may have its manual's name behind it."""
    return heading == title or title.startswith(f"{heading} \u2013 ")


def hash_passage(node: TextNode) -> str:
    """Return the key of a passage's vector: equal for equal searched text, whatever the document."""
    return hashlib.sha256(get_searchable_text(node).encode("utf-8", "replace")).hexdigest()


class SectionSplitter:
    """Cuts Documents into passages inside their sections; create it once, because its tokenizer is slow to load.

    A passage ends between blocks where it can, else between list items, rows or lines of code, else between sentences.
    Title and headings count towards ``PASSAGE_TOKENS``, because they are read with the passage. Sentences are found by
    ``bot.text``: LlamaIndex would use nltk, which refuses to open its data where the installer has hard-linked it.
    """

    def __init__(self) -> None:
        self._prose = self._create_splitter(split_text)
        self._code = self._create_splitter(split_code)

    def _create_splitter(self, split_function: Callable[[str], list[str]]) -> SentenceSplitter:
        return SentenceSplitter(
            chunk_size=PASSAGE_TOKENS,
            chunk_overlap=OVERLAP_TOKENS,
            tokenizer=self._tokenize,
            paragraph_separator=_UNUSED_SEPARATOR,
            chunking_tokenizer_fn=split_function,
        )

    def _tokenize(self, text: str) -> Sequence[int]:
        """Return as many items as ``measure_length`` counts; of a text that is too long in any case, about as many."""
        return range(len(text) // 4 if len(text) > _ALWAYS_SPLIT_CHARS else measure_length(text))

    def split(self, documents: Sequence[Document]) -> list[TextNode]:
        """Cut the Documents of one file into passages, in order; a file of headings without text has none.

        A passage's id depends on its document, section and words, so that it outlives changes elsewhere in the file.
        """
        nodes: list[TextNode] = []
        seen: Counter[tuple[str, str, str]] = Counter()
        for document in documents:
            for metadata, passage in self._split_document(document):
                name = (str(metadata["document"]), str(metadata["section"]), passage)
                node_id = hashlib.sha256("\0".join((*name, str(seen[name]))).encode("utf-8", "replace")).hexdigest()
                seen[name] += 1
                nodes.append(build_passage_node(passage, {**metadata, "position": len(nodes)}, node_id=node_id[:32]))
        return nodes

    def _split_document(self, document: Document) -> Iterator[tuple[dict[str, Any], str]]:
        metadata = dict(document.metadata)
        lines: Sequence[int] | None = metadata.pop("lines", None)
        resource = document.text_resource
        is_markdown = resource is None or resource.mimetype != "text/plain"
        title = str(metadata.get("title", ""))
        outer = [str(metadata["section"])] if metadata.get("section") else []
        for section in split_sections(document.text.replace(_UNUSED_SEPARATOR, ""), is_markdown=is_markdown):
            is_titled = bool(section.path) and _is_title(section.path[0], title)
            path = section.path[1:] if is_titled else section.path
            heading = HEADING_SEPARATOR.join([*outer, *path])
            line = before = 0
            for start, passage in self._split_section(section, f"{title}\n{heading}"):
                line += section.body.count("\n", before, start)
                before = start
                if passage != title and has_words(passage):
                    known = {"line": lines[section.lines[line]]} if lines else {}
                    yield {**metadata, "section": heading, **known}, passage

    def _split_section(self, section: Section, header: str) -> list[tuple[int, str]]:
        """Return the passages of a section, each with the position of its first word in the section's body."""
        body = section.body
        header = self._truncate_header(header)
        if len(self._tokenize(header)) + len(self._tokenize(body)) < PASSAGE_TOKENS:
            return [(_find_first_word(body), body.strip())]
        outline = BlockMap(body)
        passages: list[tuple[int, str]] = []
        place = 0
        for part in self._split_parts(body):
            splitter = self._code if outline.is_code_at(place) else self._prose
            passages.extend(self._locate_passages(splitter.split_text_metadata_aware(part, header), body, place))
            place += len(part)
        is_cut = len(passages) > 1
        repaired = [
            (start + _find_first_word(passage), outline.repair_passage(passage, start) if is_cut else passage)
            for start, passage in passages
        ]
        return self._join_final_heading(repaired) if section.heading_count and is_cut else repaired

    def _join_final_heading(self, passages: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Join a last passage of one line, which is a heading without text, to the passage before it."""
        *others, (start, before), (_, last) = passages
        if "\n" in last or len(self._tokenize(last)) > _LONGEST_FINAL_HEADING:
            return passages
        return [*others, (start, f"{before}\n\n{last}")]

    def _locate_passages(self, passages: Sequence[str], body: str, start: int) -> Iterator[tuple[int, str]]:
        """Yield passages that were cut out of a body from this position on, each with the position where it begins.

        Where the same words are repeated, the passage is the one that overlaps the passage before as far as allowed.
        """
        before = ""
        for passage in passages:
            end = start + len(before)
            found = body.find(passage, start + (passage == before))
            if body.find(passage, found + 1, end + 2 * len(passage)) >= 0:
                found = max(found, body.find(passage, end - self._measure_overlap(before)))
            start = max(start, found)
            yield start, passage
            before = passage

    def _measure_overlap(self, passage: str) -> int:
        """Return how many characters at a passage's end may be repeated at the beginning of the next."""
        first = bisect_left(
            range(len(passage)), x=True, key=lambda cut: len(self._tokenize(passage[cut:])) <= OVERLAP_TOKENS
        )
        return len(passage) - first

    def _split_parts(self, text: str) -> list[str]:
        """Cut a text into pieces of bounded size where a passage may end; joined they are the text."""
        if len(text) <= _PART_CHARS:
            return [text]
        pieces = split_text(text)
        if len(pieces) == 1:
            return [text[place : place + _PART_CHARS] for place in range(0, len(text), _PART_CHARS)]
        parts: list[str] = []
        gathered: list[str] = []
        size = 0
        for piece in (piece for unit in pieces for piece in self._split_parts(unit)):
            if gathered and size + len(piece) > _PART_CHARS:
                parts.append("".join(gathered))
                gathered, size = [], 0
            gathered.append(piece)
            size += len(piece)
        return [*parts, "".join(gathered)]

    def _truncate_header(self, header: str) -> str:
        header = header[:_LONGEST_HEADER]
        while len(self._tokenize(header)) > PASSAGE_TOKENS // 4:
            header = header[: len(header) // 2]
        return header
