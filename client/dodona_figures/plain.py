"""Figures as values that JSON can hold."""

from __future__ import annotations

import dataclasses
from typing import Any


def plain(figure: Any) -> Any:
    """Return a figure, or a part of one, as dicts, lists, texts and numbers; the keys are the names of its fields."""
    if dataclasses.is_dataclass(figure):
        return {field.name: plain(getattr(figure, field.name)) for field in dataclasses.fields(figure)}
    if isinstance(figure, list | tuple):
        # Columns are long, and their values are plain already.
        nested = any(dataclasses.is_dataclass(one) or isinstance(one, tuple) for one in figure[:1])
        return [plain(one) for one in figure] if nested else list(figure)
    return figure
