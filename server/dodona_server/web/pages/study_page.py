"""Page of a study."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dodona_figures.thin import thin
from dodona_server.domain.event import EventPosition
from dodona_server.domain.studies.study import Goal, Metric, StudyState
from dodona_server.domain.trials.listing import Among, Listing, Order
from dodona_server.domain.trials.pareto import Front
from dodona_server.domain.trials.trial import RankingPosition, Trial, TrialState
from dodona_server.service.views.dashboard import MAX_FAILURES, StudyView
from dodona_server.web.figures.chart import Chart, Line, View, can_be_log, front_chart, lines_chart, objective_chart
from dodona_server.web.figures.parallel import parallel_chart
from dodona_server.web.links import Links, chosen
from dodona_server.web.pages.trial_table import DENSE, TableQuery, objective_key, trial_value

MAX_GROUPS = 8
MAX_FRONT = 10
# With more than two objectives, most trials are in the front, and each is compared with all others.
MAX_COMPARED = 500
_POSITION = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")
_EVENT = re.compile(r"[nk][0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class StudyQuery:
    """Query of the page: the list of trials, and how charts show values."""

    listing: Listing
    view: View
    metric: str
    links: Links
    table: TableQuery
    happened: EventPosition | None = None

    @classmethod
    def read(cls, path: str, given: Mapping[str, str], columns: Sequence[str] = ()) -> StudyQuery:
        """Return the query; whatever is not understood has its default.

        Args:
            path: of the page.
            given: the fields of the query.
            columns: all values of its field `column`.
        """
        table = TableQuery.read(given, columns)
        events = given.get("events", "")
        order, among = chosen(given.get("order", ""), Order.NEWEST), chosen(given.get("trials", ""), Among.ALL)
        among = Among.SUCCEEDED if order.is_ranking else among
        view = chosen(given.get("y", ""), View.ALL)
        first, after = given.get("from", ""), given.get("after", "")
        kept = {
            "trials": "" if among is Among.ALL or order.is_ranking else among.value,
            "order": "" if order is Order.NEWEST else order.value,
            "from": first if _NUMBER.fullmatch(first) and not order.is_ranking else "",
            "after": after if _POSITION.fullmatch(after) and order.is_ranking else "",
            "y": "" if view is View.ALL else view.value,
            "metric": given.get("metric", ""),
            **table.kept,
            "events": events if _EVENT.fullmatch(events) else "",
        }
        begin = int(first) if kept["from"] else None
        listing = Listing(among, order, begin, _position(after) if kept["after"] else None)
        happened = EventPosition(events[0] == "n", int(events[1:])) if kept["events"] else None
        return cls(listing, view, given.get("metric", ""), Links(path, kept), table, happened)


def _position(text: str) -> RankingPosition | None:
    match = _POSITION.fullmatch(text)
    return match and RankingPosition(struct.unpack(">d", bytes.fromhex(match[1]))[0], int(match[2]))


def _written(value: RankingPosition) -> str:
    return f"{struct.pack('>d', value.objective).hex()}-{value.number}"


def study_context(view: StudyView, query: StudyQuery) -> dict[str, Any]:
    """Return the variables of the page's template."""
    study, counts = view.study, view.counts
    running = counts[TrialState.ACTIVE] + counts[TrialState.STOPPING]
    metric = next((one for one in study.spec.metrics if one.id == query.metric), study.spec.objective)
    history = _values(view, metric)
    return {
        "live": study.state is StudyState.ACTIVE or running > 0,
        "study": study,
        "counts": counts,
        "running": running,
        "finished": counts[TrialState.SUCCEEDED] + counts[TrialState.INFEASIBLE],
        "view": view,
        "query": query,
        "links": query.links,
        "metric": metric,
        "chart": objective_chart(history, metric.goal, query.view),
        "best_of": _best_of(history, metric),
        "front": _front(view),
        "curves": _curves(view, metric, query.view),
        "parallel": parallel_chart(study, view.points),
        "columns": query.table.columns_for(study.spec),
        "dense": sum(one.is_shown for one in query.table.columns_for(study.spec)) > DENSE,
        "objective_key": objective_key(study),
        "trial_value": trial_value,
        "following": _following(view, query),
        "earlier": _earlier(view, query),
        "failures": _failures(view.failures),
        "failures_cut": len(view.failures) == MAX_FAILURES,
        **_choices(view, query, metric, [value for _, value in history]),
    }


Options = list[tuple[str, str, bool]]


def _choices(view: StudyView, query: StudyQuery, metric: Metric, values: Sequence[float]) -> dict[str, Options]:
    """Return the choices of the page: the address, the label and whether it is chosen, of each."""
    links, listing, counts = query.links, query.listing, view.counts
    views = {View.ALL: "All", View.BEST: "Best quarter"}
    if values and can_be_log(values):
        views[View.LOG] = "Logarithmic"
    unfinished = sum(counts[one] for one in (TrialState.REQUESTED, TrialState.ACTIVE, TrialState.STOPPING))
    among = {
        Among.ALL: f"All {view.study.trial_count:,}",
        Among.UNFINISHED: f"{unfinished:,} unfinished",
        Among.SUCCEEDED: f"{counts[TrialState.SUCCEEDED]:,} succeeded",
        Among.STOPPED: f"{view.stopped:,} stopped early",
        Among.INFEASIBLE: f"{counts[TrialState.INFEASIBLE]:,} failed",
    }
    orders = {order: order.value.capitalize() for order in Order}
    reset = {"from": "", "after": "", "filter": "", "sort": "", "page": ""}
    indexed = query.table.filtered is None
    return {
        "metric_choices": [(links.to(metric=one.id), one.id, one.id == metric.id) for one in view.study.spec.metrics],
        "view_choices": [(links.to(y=one), label, one is query.view) for one, label in views.items()],
        "order_choices": [
            (
                links.to("trials", **reset, order=one, trials="" if one.is_ranking else listing.among),
                label,
                indexed and one is listing.order,
            )
            for one, label in orders.items()
        ],
        "among_choices": [
            (
                links.to("trials", **reset, trials=one, order="" if listing.order.is_ranking else listing.order),
                label,
                indexed and one is listing.among,
            )
            for one, label in among.items()
        ],
    }


def _values(view: StudyView, metric: Metric) -> list[tuple[int, float]]:
    """Return numbers and values of the drawn trials in order; the best trial is among them."""
    results = dict(view.history)
    if view.best is not None and view.best.final_measurement is not None:
        results[view.best.number] = view.best.final_measurement.metrics
    return [(number, results[number][metric.id]) for number in sorted(results)]


def _best_of(history: Sequence[tuple[int, float]], metric: Metric) -> tuple[int, float] | None:
    """Return number and value of the best drawn trial; the first one of equal ones."""
    if not history:
        return None
    better = max if metric.goal is Goal.MAXIMIZE else min
    return better(history, key=lambda point: point[1])


@dataclass(frozen=True, slots=True)
class FrontView:
    """Pareto front of the drawn trials.

    Args:
        chart: by the first two objectives.
        objectives: those two.
        trials: number and metrics of the trials of the front, by the first objective.
        count: how many there are; the list may be cut.
        compared: how many trials were compared.
    """

    chart: Chart
    objectives: tuple[Metric, Metric]
    trials: list[tuple[int, Mapping[str, float]]]
    count: int
    compared: int


def _front(view: StudyView) -> FrontView | None:
    objectives = view.study.spec.objectives
    if len(objectives) < 2 or not view.history:
        return None
    known = list(view.history)
    kept = known if len(objectives) == 2 else [known[index] for index in thin(len(known), set(), MAX_COMPARED)]
    results = {number: view.history[number] for number in kept}
    numbers = Front(view.study.spec, results.items()).numbers
    one, other = objectives[:2]
    points = {number: (metrics[one.id], metrics[other.id]) for number, metrics in results.items()}
    chart = front_chart(points, numbers, (one.goal, other.goal))
    if chart is None:
        return None
    ordered = sorted(numbers, key=lambda number: points[number], reverse=one.goal is Goal.MAXIMIZE)
    listed = [(number, results[number]) for number in ordered[:MAX_FRONT]]
    return FrontView(chart, (one, other), listed, len(numbers), len(results))


@dataclass(frozen=True, slots=True)
class CurvesView:
    """Learning curves: the chart, and each line with what it belongs to (best, running, stopped or other)."""

    chart: Chart
    lines: list[tuple[Line, str]]
    by_step: bool

    def counted(self, kind: str) -> int:
        """Return how many lines are of that kind."""
        return sum(one == kind for _, one in self.lines)


def _curves(view: StudyView, metric: Metric, how: View) -> CurvesView | None:
    """Return the learning curves of trials; None if no trial has more than one point."""
    by_step = any(one.step for trial in view.curves for one in trial.measurements or ())
    curves = {
        trial.number: [
            (one.step if by_step else one.elapsed_seconds, one.metrics[metric.id])
            for one in trial.measurements or ()
            if metric.id in one.metrics
        ]
        for trial in view.curves
    }
    if not any(sum(math.isfinite(value) for _, value in points) > 1 for points in curves.values()):
        return None
    drawn = lines_chart(curves, metric.goal, how)
    if drawn is None:
        return None
    kinds = {trial.number: _kind(trial, view.best) for trial in view.curves}
    ranks = ("other", "stopped", "running", "best")
    lines = sorted(((line, kinds[line.key]) for line in drawn[1]), key=lambda pair: ranks.index(pair[1]))
    return CurvesView(drawn[0], lines, by_step)


def _kind(trial: Trial, best: Trial | None) -> str:
    if best is not None and trial.number == best.number:
        return "best"
    if trial.stopped:
        return "stopped"
    return "running" if trial.end_time is None else "other"


def _following(view: StudyView, query: StudyQuery) -> str:
    """Return the address of the next page of trials; empty if there is none."""
    if not view.trials.more:
        return ""
    if query.table.filtered is not None:
        return query.links.to("trials", page=str(query.table.page + 1))
    last = view.trials.entries[-1]
    if query.listing.order.is_ranking:
        value = last.final_measurement.metrics[view.study.spec.objective.id] if last.final_measurement else 0.0
        return query.links.to("trials", after=_written(RankingPosition(value, last.number)))
    step = -1 if query.listing.order is Order.NEWEST else 1
    return query.links.to("trials", **{"from": str(last.number + step)})


def _earlier(view: StudyView, query: StudyQuery) -> str:
    """Return the address of the page with earlier events; empty if there are none."""
    at = view.events_after
    return query.links.to("events", events=f"{'n' if at.is_number else 'k'}{at.value}") if at else ""


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures for the same reason; `reason` and `latest` are of the latest one."""

    reason: str
    count: int
    latest: int


def _failures(given: Sequence[tuple[int, str]]) -> list[Failures]:
    """Return the failures in groups, the largest first: their reasons differ in numbers at most."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for number, reason in given:
        first_line = reason.strip().partition("\n")[0]
        groups.setdefault(re.sub(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?", "#", first_line), []).append((number, first_line))
    largest = sorted(groups.values(), key=len, reverse=True)[:MAX_GROUPS]
    return [Failures(group[0][1], len(group), group[0][0]) for group in largest]
