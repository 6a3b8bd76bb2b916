"""Page that shows several studies beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dodona_figures import BestSoFar, Compared
from dodona_server.domain.access.roles import Principal
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study import Goal, Study, StudyState
from dodona_server.service.views.samples import Sample
from dodona_server.web.figures.chart import lines_chart
from dodona_server.web.figures.figure_data import Given, compared

MAX_COMPARED = 12
COLOURS = 6


def studies_of(paths: Sequence[str], principal: Principal) -> list[StudyName]:
    """Return the names of the studies in an address, each as project/location/study and once.

    Raises:
        InvalidArgument: one is no such path, or there are too many.
        NotFound: one is in a project that the principal may not see.
    """
    if len(paths) > MAX_COMPARED:
        raise InvalidArgument(f"study: {len(paths)} studies are too many to compare; choose {MAX_COMPARED} at most")
    names = []
    for path in dict.fromkeys(paths):
        parts = path.split("/")
        if len(parts) != 3:
            raise InvalidArgument(f"study: {path!r} is not a path of a study, which is PROJECT/LOCATION/STUDY")
        principal.check("one_study", parts[0])
        names.append(StudyName(Location(parts[0], parts[1]), parts[2]))
    return names


@dataclass(frozen=True, slots=True)
class Row:
    """A study of the page: its path, the number of its colour, and its best trial's number and value."""

    study: Study
    path: str
    colour: int
    number: int | None
    value: float | None
    seconds: float


def compare_context(samples: list[Sample], given: Given) -> dict[str, Any]:
    """Return the variables of the page's template."""
    studies = [sample.study for sample in samples]
    metrics = _shared_metrics(studies)
    figure, note = compared(samples, given)
    lines = figure.studies if figure else [None] * len(samples)
    rows = [_row(index, study, line) for index, (study, line) in enumerate(zip(studies, lines, strict=True))]
    drawn = figure and lines_chart(
        {index: _steps(line.best) for index, line in enumerate(figure.studies)},
        Goal.MAXIMIZE if figure.goal == "maximize" else Goal.MINIMIZE,
    )
    query = urlencode([("study", row.path) for row in rows])
    return {
        "live": any(study.state is StudyState.ACTIVE for study in studies),
        "rows": rows,
        "metrics": metrics,
        "metric_choices": [
            (f"/compare?{query}&{urlencode({'metric': one})}", one, figure is not None and one == figure.metric)
            for one in metrics
        ],
        "figure": figure,
        "note": note,
        "chart": drawn[0] if drawn else None,
        "lines": drawn[1] if drawn else [],
        "query": query,
    }


def _shared_metrics(studies: Sequence[Study]) -> list[str]:
    every = [{metric.id for metric in study.spec.metrics} for study in studies]
    first = studies[0].spec.metrics if studies else ()
    return [metric.id for metric in first if all(metric.id in names for names in every)]


def _row(index: int, study: Study, line: Compared | None) -> Row:
    parent = study.name.parent
    path = f"{parent.project}/{parent.location}/{study.name.study_id}"
    number, value, seconds = (line.number, line.value, line.seconds) if line else (None, None, 0.0)
    return Row(study, path, index % COLOURS + 1, number, value, seconds)


def _steps(best: BestSoFar) -> list[tuple[float, float]]:
    """Return the corners of a line that keeps its height until the next improvement."""
    points: list[tuple[float, float]] = []
    for x, y in zip(best.x, best.y, strict=True):
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    return [*points, (best.end, points[-1][1])] if points else []
