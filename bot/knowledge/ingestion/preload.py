"""Imported by the server that reader processes are forked from: it keeps no environment to hand on."""

from __future__ import annotations

from bot.knowledge.ingestion import worker
from bot.knowledge.ingestion.sandbox import clear_environment

__all__ = ["worker"]

clear_environment()
