"""Embedding on this machine: which files a model is loaded from, and which model reads what."""
# ruff: noqa: RUF001 - Russian letters look like others

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bot.doctor.models import check_embeddings
from bot.errors import SettingsInvalid
from bot.knowledge.models import local
from bot.knowledge.models.local import (
    CHECKSUMS,
    MODEL_NAME,
    MULTILINGUAL_NAME,
    LocalEmbedding,
    LocalEmbeddingChoice,
    load_local_embedding,
)
from bot.settings import load

ASSETS = local._find_asset_folder()
needs_english_model = pytest.mark.skipif(ASSETS is None, reason="the extra 'local' is not installed")
PASSAGES = [
    "Refunds are paid within five working days.",
    "The office in Whitby opens at seven in the morning.",
    "Backups of the database are made every night.",
]
TRANSLATIONS = {
    "Wann wird das Geld erstattet?": 0,
    "¿Cuándo se hacen las copias de seguridad?": 2,
    "Во сколько открывается офис?": 1,
    "数据库多久备份一次?": 2,
}


@pytest.fixture(scope="module")
def multilingual() -> LocalEmbedding:
    model = load_local_embedding(LocalEmbeddingChoice(is_multilingual=True))
    assert model is not None
    return model


def make_folder(folder: Path) -> Path:
    """A folder as EMBED_MODEL_DIR names it, with the model of the extra."""
    assert ASSETS is not None
    folder.mkdir()
    for name in CHECKSUMS:
        shutil.copy(ASSETS / name, folder / Path(name).name)
    return folder


@needs_english_model
def test_model_in_a_folder_of_ones_own_embeds_as_the_packages(tmp_path: Path) -> None:
    own = load_local_embedding(LocalEmbeddingChoice(make_folder(tmp_path / "minilm")))
    bundled = load_local_embedding()
    assert own is not None
    assert bundled is not None
    assert own.model_name == "local:minilm"
    assert own.get_query_embedding("Where is the mill?") == bundled.get_query_embedding("Where is the mill?")


@needs_english_model
@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_folder_without_a_usable_model_is_a_settings_error(tmp_path: Path, missing: str) -> None:
    folder = make_folder(tmp_path / "minilm")
    (folder / missing).write_bytes(b"not a model")
    with pytest.raises(SettingsInvalid, match=r"EMBED_MODEL_DIR names a folder without a usable model"):
        load_local_embedding(LocalEmbeddingChoice(folder))


@needs_english_model
@pytest.mark.parametrize("changed", CHECKSUMS)
async def test_changed_file_of_the_package_is_refused_and_doctor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in CHECKSUMS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        assert ASSETS is not None
        (tmp_path / name).symlink_to(ASSETS / name)
    content = bytearray((tmp_path / changed).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / changed).unlink()
    (tmp_path / changed).write_bytes(content)
    monkeypatch.setattr(local, "_find_asset_folder", lambda: tmp_path)
    with pytest.raises(SettingsInvalid, match=rf"{changed} is not the expected one"):
        load_local_embedding()
    found = await check_embeddings(None, load(None), LocalEmbeddingChoice())  # type: ignore[arg-type] # asks nobody
    assert found.state == "error"
    assert "checksum" in found.detail


def test_folder_of_ones_own_is_chosen_before_openai() -> None:
    assert load(None, embed_model_dir="/models/e5").embedding == "local"
    assert load(None, embed_model_dir="/models/e5", openai_api_key="sk-x").embedding == "local"


@pytest.mark.parametrize(("question", "place"), TRANSLATIONS.items())
def test_questions_in_other_languages_find_english_passages(
    multilingual: LocalEmbedding, question: str, place: int
) -> None:
    passages = np.asarray(multilingual.get_text_embedding_batch(PASSAGES))
    cosines = passages @ np.asarray(multilingual.get_query_embedding(question)) * multilingual.cosine_scale
    assert int(cosines.argmax()) == place
    assert multilingual.can_read("de")


@needs_english_model
async def test_cosines_of_joined_vectors_are_those_of_the_one_model_that_reads_the_question(
    multilingual: LocalEmbedding,
) -> None:
    english = load_local_embedding()
    assert english is not None
    question = "When are refunds paid?"
    joined = np.asarray(multilingual.get_text_embedding_batch(PASSAGES))
    alone = np.asarray(english.get_text_embedding_batch(PASSAGES)) @ np.asarray(english.get_query_embedding(question))
    cosines = joined @ np.asarray(multilingual.get_query_embedding(question)) * multilingual.cosine_scale

    assert multilingual.model_name == f"{MODEL_NAME}+{MULTILINGUAL_NAME}"
    assert cosines == pytest.approx(alone, abs=1e-5)
    assert await multilingual.acompare(question, PASSAGES) == pytest.approx(alone.tolist(), abs=1e-5)
    assert np.linalg.norm(joined, axis=1) == pytest.approx(np.ones(len(PASSAGES)), abs=1e-5)


@needs_english_model
def test_english_questions_on_foreign_documents_are_read_by_the_multilingual_model(
    multilingual: LocalEmbedding,
) -> None:
    multilingual.set_document_language("de")
    foreign = np.flatnonzero(multilingual.get_query_embedding("When are refunds paid?"))
    multilingual.set_document_language("en")
    english = np.flatnonzero(multilingual.get_query_embedding("When are refunds paid?"))
    assert english.max() < foreign.min()


def test_without_the_english_model_the_multilingual_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.knowledge.models.local._PACKAGE", "no_such_package")
    model = load_local_embedding()
    assert model is not None
    assert model.model_name == MULTILINGUAL_NAME


def test_without_any_package_there_is_no_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.knowledge.models.local._PACKAGE", "no_such_package")
    monkeypatch.setattr("bot.knowledge.models.local._MULTILINGUAL_PACKAGE", "no_such_package")
    assert load_local_embedding(LocalEmbeddingChoice(is_multilingual=True)) is None


@needs_english_model
def test_prefixes_and_pooling_are_those_that_the_folder_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "minilm")

    def load_folder(**configs: object) -> LocalEmbedding:
        for name, content in configs.items():
            path = (folder / name.replace("__", "/")).with_suffix(".json")
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
        model = load_local_embedding(LocalEmbeddingChoice(folder))
        assert model is not None
        return model

    plain = load_folder()
    prefixed = load_folder(
        config_sentence_transformers={"prompts": {"query": "query: ", "passage": "passage: "}}, broken=[]
    )
    first_token = load_folder(**{"1_Pooling__config": {"pooling_mode_cls_token": True}})

    assert plain.can_read("ru")
    asked = prefixed.get_query_embedding("refunds")
    assert asked == pytest.approx(plain.get_query_embedding("query: refunds"), abs=1e-5)
    text = prefixed.get_text_embedding("refunds")
    assert text == pytest.approx(plain.get_text_embedding("passage: refunds"), abs=1e-5)
    assert np.dot(first_token.get_text_embedding("refunds"), text) < 0.99
