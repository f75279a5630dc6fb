"""The embedding model on this machine: which files it is loaded from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.doctor.models import check_embeddings
from bot.errors import SettingsInvalid
from bot.knowledge.models import local
from bot.knowledge.models.local import CHECKSUMS, LocalEmbeddingChoice, load_local_embedding
from bot.settings import load

ASSETS = local._find_asset_folder()
pytestmark = pytest.mark.skipif(ASSETS is None, reason="the extra 'local' is not installed")


def make_folder(folder: Path) -> Path:
    """A folder as EMBED_MODEL_DIR names it, with the model of the extra."""
    assert ASSETS is not None
    folder.mkdir()
    for name in CHECKSUMS:
        shutil.copy(ASSETS / name, folder / Path(name).name)
    return folder


def test_model_in_a_folder_of_ones_own_embeds_as_the_packages(tmp_path: Path) -> None:
    own = load_local_embedding(LocalEmbeddingChoice(make_folder(tmp_path / "minilm")))
    bundled = load_local_embedding()
    assert own is not None
    assert bundled is not None
    assert own.model_name == "local:minilm"
    assert own.get_query_embedding("Where is the mill?") == bundled.get_query_embedding("Where is the mill?")


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_folder_without_a_usable_model_is_a_settings_error(tmp_path: Path, missing: str) -> None:
    folder = make_folder(tmp_path / "minilm")
    (folder / missing).write_bytes(b"not a model")
    with pytest.raises(SettingsInvalid, match=r"EMBED_MODEL_DIR names a folder without a usable model"):
        load_local_embedding(LocalEmbeddingChoice(folder))


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
