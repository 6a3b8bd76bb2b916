"""A report of a study, as sections of plain content; `report_html` and `report_markdown` write them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import TypeAlias

from dodona_figures.look import WORDS
from dodona_figures.parameters.importance import importance
from dodona_figures.records import Metric, Parameter, Study, Trial
from dodona_figures.report import svg
from dodona_figures.report.saved import saved
from dodona_figures.trials.curves import curves
from dodona_figures.trials.front import pareto
from dodona_figures.trials.history import history
from dodona_figures.words import counted, lasting, listed, moment, number, short, shown

BEST = 10
# More parameters in the table of the best trials would not fit a page.
COLUMNS = 12
CURVES, POINTS = 40, 600
GROUPS = 6
DIRECTIONS = {"maximize": "maximized", "minimize": "minimized"}


@dataclass(frozen=True, slots=True)
class Facts:
    """Subject of a report.

    Args:
        study: with trials that stand for all; those of the curves have their reports.
        settings: how it was searched: what, and in words.
        counts: how many trials there are, in words.
        address: of the study's page.
        reference: what a client opens the study by.
        made: when, in seconds since the epoch.
        trained_by_keras: whether a Keras tuner searched.
        forgone: what a rule would have saved, as a sentence; empty if nothing is known.
        total: how many trials the study has; `study` may have fewer.
        best: the best trials, the best one first.
        failures: number and reason of the failed trials, the latest first.
    """

    study: Study
    settings: Sequence[tuple[str, str]]
    counts: str
    address: str
    reference: str
    made: float
    trained_by_keras: bool = False
    forgone: str = ""
    total: int = 0
    best: Sequence[Trial] = ()
    failures: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; cells are text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure: SVG, which Markdown leaves out, and its legend: kinds of marks and their names."""

    svg: str
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """Python code."""

    text: str


Block: TypeAlias = Text | Table | Picture | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its title, a line about it, the address of the study's page, and its sections."""

    title: str
    summary: str
    address: str
    sections: Sequence[Section]


def report(facts: Facts) -> Report:
    """Return the report of a study; it needs NumPy.

    Args:
        facts: what it is about.
    """
    study, metric = facts.study, facts.study.objectives[0]
    sections = [
        Section("What was searched", _searched(study)),
        Section("How it was searched", [Table(["", ""], [[name, words] for name, words in facts.settings])]),
        Section("The best trials", _best(facts, metric)),
        Section("Results", _results(study, metric, facts.total)),
        Section("Importance of the parameters", _importance(study, metric)),
        Section("Learning curves", _curves(study, metric)),
        Section("Early stopping", _stopping(facts)),
        Section("Failures", _failures(facts.failures)),
        Section("Rebuild the best one", _snippet(facts)),
    ]
    began = f"created {moment(study.created)}, " if study.created else ""
    summary = f"{facts.counts}; {began}report of {moment(facts.made)}"
    return Report(study.name, summary, facts.address, [section for section in sections if section.blocks])


def _searched(study: Study) -> list[Block]:
    goals = listed(f"{one.name} ({'constraint' if one.constraint else DIRECTIONS[one.goal]})" for one in study.metrics)
    rows = [[one.name, _range(one), _condition(one)] for one in study.parameters]
    what = "Objectives" if len(study.metrics) > 1 else "Objective"
    return [Text(f"{what}: {goals}."), *([Table(["parameter", "values", "active"], rows)] if rows else [])]


def _range(parameter: Parameter) -> str:
    scale = "" if parameter.scale == "linear" else f", {parameter.scale.replace('_', ' ')} scale"
    if parameter.choices:
        return listed(shown(value) for value in parameter.choices) + scale
    if parameter.low is None or parameter.high is None:
        return ""
    kind = "whole numbers " if parameter.whole else ""
    return f"{kind}{number(parameter.low)} to {number(parameter.high)}{scale}"


def _condition(parameter: Parameter) -> str:
    if not parameter.conditions:
        return "always"
    return " or ".join(f"{parent} is {listed(map(shown, values), ' or ')}" for parent, values in parameter.conditions)


def _best(facts: Facts, metric: Metric) -> list[Block]:
    if not facts.best:
        return [Text("No trial has succeeded yet.")]
    names = [name for name in facts.study.parameter_names if any(name in trial.parameters for trial in facts.best)]
    left = names[COLUMNS:]
    names = names[:COLUMNS]
    metrics = [one.name for one in facts.study.metrics]
    rows = [
        [
            str(trial.number),
            *(number(trial.metrics[name]) if name in trial.metrics else "–" for name in metrics),
            *(shown(trial.parameters.get(name)) for name in names),
        ]
        for trial in facts.best[:BEST]
    ]
    top = facts.best[0]
    early = ", stopped early" if top.stopped else ""
    ran = f", after {lasting(top.seconds)}" if top.seconds else ""
    value = number(top.metrics.get(metric.name, float("nan")))
    blocks: list[Block] = [Text(f"Trial {top.number} has the best {metric.name}: {value}{early}{ran}.")]
    blocks.append(Table(["trial", *metrics, *names], rows))
    if left:
        blocks.append(Text(f"{counted(len(left), 'parameter')} more: {listed(left)}."))
    return blocks


def _results(study: Study, metric: Metric, total: int) -> list[Block]:
    data = history(study, metric.name, most=POINTS)
    if not data.points.y:
        return []
    marks = [*data.points.marks, *(["failed"] if data.failed.x else [])]
    legend = [*_legend(marks), ("line", "best so far")]
    blocks: list[Block] = [Picture(svg.history(data, _inside(data.points.y, metric)), legend)]
    if len(study.trials) < total:
        blocks.append(Text(f"{len(study.trials)} of {total} trials are read, the best ones among them."))
    if len(study.objectives) > 1:
        front = pareto(study, most=POINTS)
        if front.rows:
            blocks.append(Picture(svg.pareto(front), [("succeeded", "trial"), ("best", "Pareto front")]))
            are = "is" if len(front.front) == 1 else "are"
            found = f"{counted(len(front.front), 'trial')} {are} on the Pareto front"
            blocks.append(Text(f"{found}: no other trial beats them in all objectives."))
    return blocks


def _legend(marks: Collection[str]) -> list[tuple[str, str]]:
    """Return the marks with their names, in their order."""
    return [(mark, words) for mark, words in WORDS.items() if mark in marks]


def _inside(values: Sequence[float], metric: Metric) -> list[float]:
    """Return the values without outliers on the bad side, which are drawn at the edge."""
    if len(values) < 8:
        return list(values)
    first, _, third = quantiles(values, n=4)
    far = 3 * (third - first)
    kept = [value for value in values if (value >= first - far if metric.goal == "maximize" else value <= third + far)]
    return kept or list(values)


def _importance(study: Study, metric: Metric) -> list[Block]:
    data = importance(study, metric.name)
    if not data.parameters:
        return [Text(data.note)]
    rows = [
        [one.name, f"{one.share:.0%}", f"{one.low:.0%} to {one.high:.0%}", f"{one.total:.0%}"]
        for one in data.parameters
    ]
    words = (
        f"The share of the variance of {metric.name} that each parameter explains alone, with its 90% interval, and "
        f"together with others. All parameters explain {data.explained:.0%}."
    )
    table = Table(["parameter", "alone", "90% interval", "with interactions"], rows)
    note = [Text(data.note)] if data.note else []
    return [Picture(svg.importance(data)), table, Text(words), *note]


def _curves(study: Study, metric: Metric) -> list[Block]:
    data = curves(study, metric.name, most=CURVES)
    if not any(len(line.x) > 1 for line in data.lines):
        return []
    legend = _legend({line.mark for line in data.lines if not line.best})
    legend += [("best", "best trial")] if any(line.best for line in data.lines) else []
    values = _inside([value for line in data.lines for value in line.y], metric)
    return [Picture(svg.curves(data, values), legend), Text(f"{counted(len(data.lines), 'curve')} of {metric.name}.")]


def _stopping(facts: Facts) -> list[Block]:
    some = "Of the trials that were read: " if len(facts.study.trials) < facts.total else ""
    return [Text(f"{some}{saved(facts.study)}"), *([Text(facts.forgone)] if facts.forgone else [])]


def _failures(failures: Sequence[tuple[int, str]]) -> list[Block]:
    """Return the failures by reason; reasons that differ only in numbers are one."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for number_, reason in failures:
        line = (reason.strip() or "no reason was given").partition("\n")[0]
        groups.setdefault(re.sub(r"\d+(?:\.\d+)?", "#", line), []).append((number_, line))
    largest = sorted(groups.values(), key=len, reverse=True)[:GROUPS]
    rows = [[str(len(group)), str(group[0][0]), short(group[0][1], 200)] for group in largest]
    return [Table(["trials", "latest", "reason"], rows)] if rows else []


def _snippet(facts: Facts) -> list[Block]:
    if not facts.best:
        return []
    top = facts.best[0]
    lines = [f"# The parameters of trial {top.number}.", "parameters = {"]
    lines += [f"    {_literal(name)}: {_literal(value)}," for name, value in top.parameters.items()]
    lines += ["}", ""]
    if facts.trained_by_keras:
        lines += [
            "import keras_tuner",
            "",
            "hp = keras_tuner.HyperParameters()",
            "hp.values.update(parameters)",
            "model = build_model(hp)  # your function; tuner.get_best_models()[0] has the trained weights too",
        ]
    else:
        server, study = _literal(facts.address.split("/studies/")[0]), _literal(facts.reference)
        lines += ["# The same from the server:", "import dodona", ""]
        lines += [f"study = dodona.Client({server}).get_study({study})", "parameters = study.best_trial.parameters"]
    return [Code("\n".join(lines))]


def _literal(value: object) -> str:
    """Return a value as Python reads it; text is ASCII, so that no mark of direction is hidden in code."""
    return json.dumps(value) if isinstance(value, str) else repr(value)
