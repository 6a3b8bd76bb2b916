"""An earlier study that another one learns from."""

from __future__ import annotations

from dataclasses import dataclass

from dodona_server.domain.names import StudyName


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study, as another one sees it.

    Args:
        name: of the earlier study.
        similarity: of the two studies, from 0 to 1; None if the earlier one is of another project.
        results: how many results the other one can learn from; None if the earlier one is of another project.
        weight: the part of the latest expectations that comes from the earlier study, from 0 to 1; None before the
            first model.
    """

    name: StudyName
    similarity: float | None
    results: int | None
    weight: float | None = None
