"""Markdown goes in at the top; passages that know their headings fall out, none longer than a model reads."""

from __future__ import annotations

import hashlib
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

SPLITTER_VERSION: Final = "5: 256/32"
"""Names this way of splitting. Change it with the way, and every document is split anew at the next ingestion."""

PASSAGE_TOKENS: Final = 256
OVERLAP_TOKENS: Final = 32
SEARCHED_METADATA: Final = ("title", "section")
"""What stands above a passage where it is embedded and searched by keywords."""

TRUNCATION_NOTE: Final = "\n\n(Cut here: this is the beginning of a longer text.)"
"""What stands at the end of a text that was shortened."""

_COUNTED_CHARS = (
    1_000  # characters whose tokens are counted at once: a run without spaces costs the square of its length
)
_LONGEST_HEADER = 240  # characters of title and headings counted above a passage: some 60 tokens of the 256
_PART_CHARS = 16_000  # characters given to LlamaIndex at once: it moves all that is left for every piece that it takes
_ALWAYS_SPLIT_CHARS = 8_192  # characters; such a text is cut without its tokens being counted first
_UNUSED_SEPARATOR = (
    "\x00\x00"  # a paragraph separator that occurs nowhere: blocks are told apart here, not by LlamaIndex
)


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
    """What an embedding model is given for a passage: title, heading path and text."""
    return node.get_content(MetadataMode.EMBED)


def count_tokens(text: str) -> int:
    """How many tokens a text is to a model of OpenAI's, and about as many to any other."""
    return len(get_tokenizer()(text))


def truncate_to_tokens(text: str, max_tokens: int) -> str:
    """The text, or its beginning and a remark that it is cut, together so many tokens at most.

    It takes time in proportion to the tokens, whatever the text: it is counted in small pieces.
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
    """Where in a text its first word begins; 0 where it has none."""
    word = re.search(r"[^\W_]", text)
    return word.start() if word else 0


def hash_passage(node: TextNode) -> str:
    """The name under which a passage's vector is kept: equal for equal searched text, whatever the document."""
    return hashlib.sha256(get_searchable_text(node).encode("utf-8", "replace")).hexdigest()


class SectionSplitter:
    """Cuts Documents into passages inside their sections; one for a whole ingestion, as its tokenizer is slow to load.

    A passage ends between blocks where it can, then between list items, rows or lines of code, then between sentences.
    Title and headings count towards ``PASSAGE_TOKENS``, as they are read with the passage. Sentences are told apart
    here: LlamaIndex would ask nltk, which refuses to open its own data where the installer has hard-linked it.
    """

    def __init__(self) -> None:
        self._tokenizer = get_tokenizer()
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
        """A text's tokens; of one that is too long in any case, as many as to say so."""
        return range(len(text) // 4) if len(text) > _ALWAYS_SPLIT_CHARS else self._tokenizer(text)

    def split(self, documents: Sequence[Document]) -> list[TextNode]:
        """Cut the Documents of one file into passages, in order; none where there is no text below its headings.

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
            path = section.path[1:] if section.path[:1] == (title,) else section.path
            heading = HEADING_SEPARATOR.join([*outer, *path])
            line = before = 0
            for start, passage in self._split_section(section.body, f"{title}\n{heading}"):
                line += section.body.count("\n", before, start)
                before = start
                if passage != title and has_words(passage):
                    known = {"line": lines[section.lines[line]]} if lines else {}
                    yield {**metadata, "section": heading, **known}, passage

    def _split_section(self, body: str, header: str) -> list[tuple[int, str]]:
        """The passages of a section, each with the place in it at which its first word stands."""
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
        return [
            (start + _find_first_word(passage), outline.repair_passage(passage, start) if is_cut else passage)
            for start, passage in passages
        ]

    def _locate_passages(self, passages: Sequence[str], body: str, start: int) -> Iterator[tuple[int, str]]:
        """Passages that were cut out of a body from this place on, each with the place at which it begins.

        Where the same words come again and again, those are meant that overlap with the passage before as they may.
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
        """How many characters at a passage's end may be the beginning of the next as well."""
        first = bisect_left(
            range(len(passage)), x=True, key=lambda cut: len(self._tokenize(passage[cut:])) <= OVERLAP_TOKENS
        )
        return len(passage) - first

    def _split_parts(self, text: str) -> list[str]:
        """The text in pieces of bounded size, cut where a passage may end; joined, they are the text."""
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
