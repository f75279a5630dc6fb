"""The operator's choices: what wins, what is complained about, and what never shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.errors import SettingsInvalid
from bot.settings import SECRET_FIELDS, Settings, list_setting_names, load


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def write_env_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_names_exactly_the_settings() -> None:
    example = Path(__file__).parent.parent / ".env.example"
    assert set(dotenv_values(example)) == set(list_setting_names())


def test_example_file_is_valid_and_shows_the_defaults() -> None:
    example = Path(__file__).parent.parent / ".env.example"
    assert load(example) == load(None)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MODEL", "from-environment")
    assert load(write_env_file(tmp_path, "LLM_MODEL=from-file\nLOG_FORMAT=json")).llm_model == "from-environment"


def test_overrides_win_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_API_URL", "http://127.0.0.1:1/api")
    assert load(None, discord_api_url="http://127.0.0.1:2/api").discord_api_url == "http://127.0.0.1:2/api"


def test_empty_value_counts_as_unset(tmp_path: Path) -> None:
    assert load(write_env_file(tmp_path, "OPENAI_API_KEY=\nLLM_CONTEXT_WINDOW=")).has_model is False


def test_options_and_headers_are_json_objects(tmp_path: Path) -> None:
    settings = load(write_env_file(tmp_path, 'LLM_OPTIONS={"top_k": 3}\nEMBED_HEADERS={"X-Team": "docs"}'))
    assert (settings.llm_options, settings.embed_headers, settings.llm_headers) == (
        {"top_k": 3},
        {"X-Team": "docs"},
        None,
    )


@pytest.mark.parametrize("value", ["low", "[1]", '{"X-Team": 1}'])
def test_headers_that_are_no_json_object_of_texts_are_reported(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsInvalid, match="LLM_HEADERS"):
        load(write_env_file(tmp_path, f"LLM_HEADERS={value}"))


def test_all_problems_are_reported_at_once_without_their_values(tmp_path: Path) -> None:
    path = write_env_file(
        tmp_path,
        "OPENAI_BASE_URL=file:///secret-path\nLLM_CONTEXT_WINDOW=plenty\nLOG_LEVEL=loud\nDISCORD_TOKEN='a b'\n",
    )
    with pytest.raises(SettingsInvalid) as caught:
        load(path)
    assert {problem.setting for problem in caught.value.problems} == {
        "OPENAI_BASE_URL", "LLM_CONTEXT_WINDOW", "LOG_LEVEL", "DISCORD_TOKEN",
    }  # fmt: skip
    for value in ("secret-path", "plenty", "loud", "a b"):
        assert value not in caught.value.user_message


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("LLM_CONTEXT_WINDOW=plenty", "is not a whole number"),
        ("LLM_CONTEXT_WINDOW=10.5", "is not a whole number"),
        ("LLM_CONTEXT_WINDOW=10", "is less than 2,000"),
        ("ANSWER_PAGES=21", "is more than 20"),
        ("EDIT_INTERVAL=soon", "is not a number"),
        ("DIRECT_MESSAGES=perhaps", "is neither true nor false"),
        ("LOG_LEVEL=loud", "is not one of the allowed values"),
        ("ADMIN_USERS=ada", "is not a list of ids"),
    ],
)
def test_problem_messages_are_plain_sentences(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(write_env_file(tmp_path, line))
    assert [problem.complaint for problem in caught.value.problems] == [complaint]


@pytest.mark.parametrize("text", ["LOG_LEVEL=LOUD", "LOG_LEVEL=LOUD\nDISCORD_TOKEN="])
def test_missing_required_setting_is_reported_with_all_other_problems(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(write_env_file(tmp_path, text), required=("discord_token",))
    assert [(problem.setting, problem.complaint) for problem in caught.value.problems] == [
        ("DISCORD_TOKEN", "is missing"),
        ("LOG_LEVEL", "is not one of the allowed values"),
    ]


def test_required_setting_may_come_from_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(write_env_file(tmp_path, "discord_token=t"), required=("discord_token",)).discord_token is not None
    assert load(None, required=("discord_token",), discord_token="t").discord_token is not None
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    assert load(None, required=("discord_token",)).discord_token is not None


def test_a_nearly_right_name_in_the_file_is_pointed_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"OPENAI_APIKEY is not a setting\. Did you mean OPENAI_API_KEY\?"):
        load(write_env_file(tmp_path, "OPENAI_APIKEY=sk-planted"))


def test_other_names_in_the_file_are_left_alone(tmp_path: Path) -> None:
    assert load(write_env_file(tmp_path, "TZ=Europe/Berlin")).log_format == "text"


def test_a_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00DISCORD")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load(path)


def test_secrets_show_in_no_representation(tmp_path: Path) -> None:
    settings = load(write_env_file(tmp_path, "DISCORD_TOKEN=planted-token\nOPENAI_API_KEY=planted-key"))
    assert "planted" not in repr(settings)
    assert "planted" not in str(settings)
    assert settings.secrets == ("planted-token", "planted-key")


def test_missing_token_is_reported_with_where_to_get_it() -> None:
    with pytest.raises(SettingsInvalid, match=r"DISCORD_TOKEN is missing\. It should hold .*Reset Token"):
        load(None).require_token()


@pytest.mark.parametrize(
    ("text", "embedding"),
    [
        ("", "local"),
        ("OPENAI_API_KEY=k", "text-embedding-3-small"),
        ("OPENAI_API_KEY=k\nOPENAI_BASE_URL=http://127.0.0.1:1/v1", "local"),
        ("EMBED_MODEL=None", "none"),
        ("EMBED_MODEL=Nomic-Embed", "Nomic-Embed"),
    ],
)
def test_documents_are_embedded_by_openai_only_when_they_go_there_anyway(
    tmp_path: Path, text: str, embedding: str
) -> None:
    assert load(write_env_file(tmp_path, text)).embedding == embedding


def test_a_key_never_goes_to_a_server_it_was_not_given_for(tmp_path: Path) -> None:
    settings = load(write_env_file(tmp_path, "OPENAI_API_KEY=k\nEMBED_BASE_URL=http://127.0.0.1:1/v1"))
    assert settings.embedding_url == "http://127.0.0.1:1/v1"
    assert settings.embedding_key is None


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("planted-token\n", encoding="utf-8")
    settings = load(write_env_file(tmp_path, f"DISCORD_TOKEN_FILE={tmp_path / 'token'}"), required=("discord_token",))
    assert settings.require_token().get_secret_value() == "planted-token"
    assert settings.secrets == ("planted-token",)


def test_secret_file_in_the_environment_wins_over_an_empty_line_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("planted-key", encoding="utf-8")
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    assert load(write_env_file(tmp_path, "OPENAI_API_KEY=")).secrets == ("planted-key",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "DISCORD_TOKEN_FILE names a file that cannot be read (No such file or directory)"),
        (b"\xff\xfe", "DISCORD_TOKEN_FILE names a file that cannot be read (not UTF-8)"),
        (b"two words", "DISCORD_TOKEN contains spaces or characters that no token has"),
    ],
)
def test_unusable_secret_file_is_reported(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(SettingsInvalid, match=re.escape(message)):
        load(write_env_file(tmp_path, f"DISCORD_TOKEN_FILE={tmp_path / 'token'}"))


def test_secret_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="DISCORD_TOKEN_FILE and DISCORD_TOKEN are both set"):
        load(write_env_file(tmp_path, "DISCORD_TOKEN=a\nDISCORD_TOKEN_FILE=b"))


def test_every_secret_setting_can_be_in_a_file_and_is_redacted() -> None:
    fields = Settings.model_fields
    assert set(SECRET_FIELDS) == {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}


def test_more_answers_are_written_at_once_on_more_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    for cores in (1, 2, 4, 64):
        available = set(range(cores))
        monkeypatch.setattr("os.sched_getaffinity", lambda _, available=available: available)  # pyright: ignore[reportUnknownLambdaType] - the function's own argument
        counts.append(load(None).concurrent_answers)
    assert counts == [12, 24, 48, 48]


def test_long_header_values_are_redacted(tmp_path: Path) -> None:
    env_file = write_env_file(tmp_path, 'LLM_HEADERS={"Authorization": "Bearer planted-key", "X-Team": "docs"}')
    assert load(env_file).secrets == ("Bearer planted-key",)
