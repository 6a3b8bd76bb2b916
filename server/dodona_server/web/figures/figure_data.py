"""Data of the figures: each is read, computed and written as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import dodona_figures as figures
from dodona_figures.trials.history import TITLES, By
from dodona_server.aside import aside
from dodona_server.domain.names import StudyName
from dodona_server.service.views.samples import Sample, Samples
from dodona_server.web.figures.conversion import figured

# More lines or points could not be told apart, and would take long to send.
LINES, POINTS, DENSE = 400, 600, 2000
# A forest of more trials takes seconds, and says the same.
EXPLAINED = 500
# Enough to place a point on any screen.
DIGITS = 7

Given = Mapping[str, str]
Build = Callable[[figures.Study, Given, Sample], Any]


def _by(given: Given) -> By:
    return next((by for by in TITLES if by == given.get("by")), "trial")


def _history(study: figures.Study, given: Given, sample: Sample) -> figures.History:
    found = figures.history(study, given.get("metric") or None, _by(given), DENSE)
    if found.by != "compute":
        return found
    parts = {name: _scaled(getattr(found, name), sample.weight) for name in ("points", "best", "failed")}
    return dataclasses.replace(found, **parts)


def _scaled(part: Any, weight: float) -> Any:
    """Return a part of a figure with the compute time of all trials instead of that of some."""
    end = {"end": part.end * weight} if hasattr(part, "end") else {}
    return dataclasses.replace(part, x=[weight * x for x in part.x], **end)


def _curves(study: figures.Study, given: Given, _: Sample) -> figures.Curves:
    return figures.curves(study, given.get("metric") or None, "time" if given.get("by") == "time" else "step")


def _parallel(study: figures.Study, given: Given, _: Sample) -> figures.Parallel:
    return figures.parallel(study, given.get("metric") or None, most=LINES)


def _slices(study: figures.Study, given: Given, _: Sample) -> figures.Slices:
    return figures.slices(study, given.get("metric") or None, most=LINES)


def _two(given: Given) -> dict[str, Any]:
    return {"x": given.get("x") or None, "y": given.get("y") or None, "metric": given.get("metric") or None}


def _contour(study: figures.Study, given: Given, _: Sample) -> figures.Contour:
    return figures.contour(study, **_two(given), most=LINES)


def _rank(study: figures.Study, given: Given, _: Sample) -> figures.Rank:
    return figures.rank(study, **_two(given), most=POINTS)


def _importance(study: figures.Study, given: Given, _: Sample) -> figures.Importance:
    return figures.importance(study, given.get("metric") or None)


def _pareto(study: figures.Study, _given: Given, _: Sample) -> figures.Pareto:
    return figures.pareto(study, most=POINTS)


def _hypervolume(study: figures.Study, _given: Given, _: Sample) -> figures.Hypervolume:
    return figures.hypervolume(study)


def _edf(study: figures.Study, given: Given, _: Sample) -> figures.Edf:
    return figures.edf([study], given.get("metric") or None, POINTS)


def _timeline(study: figures.Study, _given: Given, sample: Sample) -> figures.Timeline:
    return figures.timeline(study, sample.read_time)


_READ: dict[str, Callable[[Samples, StudyName], Awaitable[Sample]]] = {
    "curves": Samples.curves,
    "importance": lambda samples, name: samples.evenly(name, EXPLAINED),
    "timeline": Samples.latest,
}
_BUILD: dict[str, Build] = {
    "history": _history,
    "curves": _curves,
    "parallel": _parallel,
    "slices": _slices,
    "contour": _contour,
    "rank": _rank,
    "importance": _importance,
    "pareto": _pareto,
    "hypervolume": _hypervolume,
    "edf": _edf,
    "timeline": _timeline,
}
KINDS = frozenset(_BUILD)


async def study_figure(samples: Samples, name: StudyName, kind: str, given: Given) -> bytes:
    """Return the data of a figure of a study as JSON; `note` says why there is none.

    Raises:
        NotFound: there is no such study.
    """
    if kind == "history":
        sample = await samples.results(name, weighed=_by(given) == "compute")
    else:
        sample = await _READ.get(kind, Samples.results)(samples, name)
    return await aside(_written, sample, kind, given)


def _written(sample: Sample, kind: str, given: Given) -> bytes:
    study = figured(sample.study, sample.trials, sample.events)
    counts = {"trials": sample.study.trial_count, "read": len(sample.trials), "names": study.parameter_names}
    try:
        return _json({"kind": kind, "figure": _BUILD[kind](study, given, sample), "note": "", **counts})
    except ValueError as error:
        return _json({"kind": kind, "figure": None, "note": str(error), **counts})


async def comparison(samples: list[Sample], given: Given) -> bytes:
    """Return the data of several studies beside each other as JSON."""
    return await aside(_comparison, samples, given)


def _comparison(samples: list[Sample], given: Given) -> bytes:
    figure, note = compared(samples, given)
    return _json({"kind": "compare", "figure": figure, "note": note})


def compared(samples: list[Sample], given: Given) -> tuple[figures.Comparison | None, str]:
    """Return several studies beside each other; or None, and why they cannot be compared."""
    studies = [figured(one.study, one.trials) for one in samples]
    if not studies:
        return None, ""
    by = _by(given)
    try:
        figure = figures.compare(studies, given.get("metric") or None, by)
    except ValueError as error:
        return None, f"These studies cannot be compared: {error}"
    lines = [_whole(line, one, by) for line, one in zip(figure.studies, samples, strict=True)]
    return dataclasses.replace(figure, studies=lines), ""


def _whole(line: figures.Compared, sample: Sample, by: By) -> figures.Compared:
    """Return what is known of a sample as that of the whole study."""
    best = _scaled(line.best, sample.weight) if by == "compute" else line.best
    seconds = line.seconds * sample.weight
    return dataclasses.replace(line, best=best, trials=sample.study.trial_count, seconds=seconds)


def _json(content: dict[str, Any]) -> bytes:
    plain = {**content, "figure": _rounded(figures.plain(content["figure"]))}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < 1e9 else value
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {key: _rounded(one) for key, one in value.items()} if isinstance(value, dict) else value
