"""The address of the model server that is used if the settings name none."""

from __future__ import annotations

from typing import Final

OPENAI_URL: Final = "https://api.openai.com/v1"
