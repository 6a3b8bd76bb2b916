"""Source of the figures' data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dodona_figures import Study


class FigureSource(ABC):
    """A study whose trials can be fetched for figures."""

    @abstractmethod
    def _figured(self) -> Study:
        """Return the study with its trials, fetched now, for figures."""
