"""Fitted models of studies' curves, for stopping rules that predict.

A model is fitted in the pool and kept here, so that a report only reads it. A server that starts has none: the first
reports have it fitted again, from the curves in the database. One fit of a study runs at a time; the next one begins
when trials have reached enough new rungs.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodona_server.service.computing.pool import FittingFailed, FittingPool
from dodona_server.stopping.contract import RENEWAL_SHARE

if TYPE_CHECKING:
    # Not before there is a model: it needs NumPy and SciPy, which take half a second and memory.
    from dodona_server.curve_model.model import CurveModel

logger = logging.getLogger("dodona")

# The number of studies whose models are kept.
MOST_STUDIES = 1000


@dataclass(eq=False, slots=True)
class _Kept:
    """Model of a study, how many values have come since its fit began, and the fit that runs."""

    model: CurveModel | None = None
    news: int = 0
    fitting: asyncio.Task[None] | None = None

    @property
    def is_due(self) -> bool:
        trials = 0 if self.model is None else self.model.trials[0]
        return self.fitting is None and self.news >= max(1.0, RENEWAL_SHARE * trials)


class CurveModels:
    """Fits and keeps the models of studies.

    Args:
        pool: the processes that fit.
    """

    def __init__(self, pool: FittingPool) -> None:
        self._pool = pool
        self._kept: dict[int, _Kept] = {}

    def of(self, study_key: int) -> CurveModel | None:
        """Return the latest model of a study; None if there is none. Any thread may call it."""
        kept = self._kept.get(study_key)
        return None if kept is None else kept.model

    def on_news(self, study_key: int) -> None:
        """Fit the model again if it is due, after a trial of the study has reached a new rung or has ended."""
        kept = self._kept[study_key] = self._kept.pop(study_key, _Kept())
        kept.news += 1
        self._fit_if_due(study_key, kept)
        for key, other in list(self._kept.items())[: max(0, len(self._kept) - MOST_STUDIES)]:
            if other.fitting is None:
                del self._kept[key]

    def close(self) -> None:
        """Stop waiting for models."""
        for kept in self._kept.values():
            if kept.fitting is not None:
                kept.fitting.cancel()

    def _fit_if_due(self, study_key: int, kept: _Kept) -> None:
        if kept.is_due:
            kept.fitting = asyncio.create_task(self._fit(study_key, kept))

    async def _fit(self, study_key: int, kept: _Kept) -> None:
        kept.news = 0
        try:
            kept.model = await self._pool.fit_curves(study_key)
        except FittingFailed as error:
            logger.warning("no model of the curves of study %d: %s", study_key, error)
        finally:
            kept.fitting = None
        self._fit_if_due(study_key, kept)
