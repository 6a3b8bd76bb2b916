"""Colours and names of the figures: those of the pages, on paper and in the dark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Colours by their role, as in the style sheet of the pages.

    `states` are those of the marks and outcomes; `scale` goes from the worst result to the best one; `lines` are for
    several studies.
    """

    paper: str
    ink: str
    quiet: str
    rule: str
    accent: str
    states: Mapping[str, str]
    scale: tuple[str, ...]
    lines: tuple[str, ...]


LIGHT = Look(
    paper="#ffffff",
    ink="#1c2320",
    quiet="#5b6661",
    rule="#e3e6e0",
    accent="#21704d",
    states={
        "succeeded": "#8296a8",
        "stopped": "#74459f",
        "failed": "#9a4c0c",
        "running": "#2a5fb0",
        "queued": "#55606a",
        "lost": "#a92d24",
    },
    scale=("#e3ddc7", "#a9c6a4", "#5fa487", "#21704d", "#0c3a29"),
    lines=("#21704d", "#2a5fb0", "#9a4c0c", "#74459f", "#a92d24", "#55606a"),
)

DARK = Look(
    paper="#1a1e1c",
    ink="#e6ebe8",
    quiet="#9aa6a0",
    rule="#2b312e",
    accent="#6acca0",
    states={
        "succeeded": "#7f95a8",
        "stopped": "#c4a2ee",
        "failed": "#f0a868",
        "running": "#8ab4f8",
        "queued": "#a9b4bd",
        "lost": "#f2988f",
    },
    scale=("#3d4440", "#3f6b57", "#4d9474", "#6acca0", "#c9f2de"),
    lines=("#6acca0", "#8ab4f8", "#f0a868", "#c4a2ee", "#f2988f", "#a9b4bd"),
)

# What the marks mean, for legends.
WORDS: Mapping[str, str] = {
    "succeeded": "succeeded",
    "stopped": "stopped early",
    "failed": "failed",
    "running": "running",
    "queued": "queued",
    "lost": "lease lost",
}
