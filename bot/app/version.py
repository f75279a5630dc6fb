"""Reads the version of the installed package, or of the folder that Docent runs from."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def read_version() -> str:
    """Return the version, such as ``0.1.0``."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("docent")
