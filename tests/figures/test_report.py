"""The report of a study, as HTML and as Markdown."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_figures import Metric, Parameter, Report, Study, Trial
from dodona_figures.report.html import html
from dodona_figures.report.markdown import markdown
from dodona_figures.report.report import Facts, report
from dodona_figures.report.saved import saved
from tests.figures.example import LOSS, study, trial
from tests.figures.pictures import example

VOID = {"meta", "link", "br"}


class Parsed(HTMLParser):
    """The elements and the text of a page; fails where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if "style" not in self._open else ""


def _facts(of: Study, **more: object) -> Facts:
    metric = of.objectives[0]
    best = [one for one, _ in sorted(of.results(metric), key=lambda pair: -metric.sign * pair[1])]
    facts = Facts(
        study=of,
        settings=[("Algorithm", "Random search"), ("Budget", "The study ends after 140 trials.")],
        counts=f"{len(of.trials)} trials",
        address="http://127.0.0.1:8080/studies/default/local/digits",
        reference="digits",
        made=1.7e9,
        total=len(of.trials),
        best=best[:10],
    )
    return dataclasses.replace(facts, **more)  # type: ignore[arg-type]


def test_the_file_needs_nothing_else_and_runs_nothing() -> None:
    text = html(report(_facts(example())))
    page = Parsed(text)
    tags = {tag for tag, _ in page.tags}
    assert {"svg", "table", "h1", "pre", "figure"} <= tags
    assert not tags & {"script", "link", "img", "iframe", "object", "form"}
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == [
        "http://127.0.0.1:8080/studies/default/local/digits"
    ]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "url(" not in text
    assert "@import" not in text
    for title in (
        "What was searched",
        "How it was searched",
        "The best trials",
        "Results",
        "Importance",
        "Early stopping",
    ):
        assert title in page.text


def test_the_same_facts_are_in_both() -> None:
    made = report(_facts(example(), failures=[(9, "out of memory at 0x1"), (7, "out of memory at 0x2"), (3, "NaN")]))
    page, text = Parsed(html(made)).text, markdown(made)
    for said in ("Random search", "of 138 trials were stopped early", "optimizer is sgd"):
        assert (said in page) == (said.replace("_", "\\_") in text), said
    assert "| 2 | 9 | out of memory at 0x1 |" in text
    assert "whole numbers 16 to 256, log scale" in page


def test_the_snippet_is_python_with_the_parameters_of_the_best_trial() -> None:
    values = {"rate": 0.1, "kind": 'a"b\\', "flag": True, "n": 3}
    one = study(trial(1, 2.0), trial(2, 1.0, parameters=values))
    for trained_by_keras in (False, True):
        text = markdown(report(_facts(one, trained_by_keras=trained_by_keras)))
        code = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)[-1]
        head = code.partition("}\n")[0] + "}"
        found: dict[str, object] = {}
        exec(head, found)
        assert found["parameters"] == values
        compile(code, "snippet", "exec")
        assert ("keras_tuner" in code) == trained_by_keras


NAMES = st.text(min_size=1, max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "a|b",
        "`x`",
        "[a](javascript:1)",
        "</svg>",
        "```",
        "$x$",
        "# a",
        "a\nb",
        "&lt;",
        '"><b>',
    ]
)


@given(NAMES, NAMES, NAMES, NAMES)
def test_names_are_no_markup(name: str, metric: str, parameter: str, value: str) -> None:
    trials = [
        Trial(
            n,
            "SUCCEEDED",
            {parameter: value},
            {metric: float(n)},
            reports=[Report(1, {metric: 1.0}), Report(2, {metric: 2.0})],
        )
        for n in range(1, 4)
    ]
    of = Study(name, (Metric(metric),), (Parameter(parameter, choices=(value, "other")),), trials)
    made = report(_facts(of, failures=[(1, name)]))
    page = Parsed(html(made))
    drawn = "figure ul li svg line text circle path polyline"
    known = f"html meta title style body main header h1 p a section h2 div table thead tr th tbody td pre code {drawn}"
    assert {tag for tag, _ in page.tags} <= set(known.split())
    text = markdown(made)
    outside = re.sub(r"(`{3,})python\n.*?\n\1", "", text, flags=re.DOTALL)
    # Every bracket of a name is escaped; the others are those of the only link.
    assert outside.count("](<") == 1
    assert re.findall(r"(?<!\\)(?:\\\\)*<(?!http)", outside) == []
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1


def test_a_study_without_results_has_a_report() -> None:
    for of in (study(), study(trial(1, state="INFEASIBLE")), study(trial(1, state="ACTIVE", curve=[1.0]))):
        page = Parsed(html(report(_facts(of))))
        assert "No trial has succeeded yet." in page.text
        assert "more are needed" in page.text
        assert "No trial was stopped early." in page.text
        markdown(report(_facts(of)))


def test_equal_and_huge_values_can_be_drawn() -> None:
    for values in ([1.0, 1.0], [0.0, 0.0], [1e300, -1e300], [1e-300, 2e-300]):
        of = study(*(trial(n, value, curve=[value, value]) for n, value in enumerate(values, 1)))
        text = html(report(_facts(of)))
        assert "nan" not in text
        assert "inf" not in re.sub(r"[a-z]*inf[a-z]+", "", Parsed(text).text)


def test_the_front_is_in_the_report_of_several_objectives() -> None:
    metrics = (LOSS, Metric("size", "minimize"))
    trials = [Trial(n, "SUCCEEDED", {}, {"loss": float(n), "size": 5.0 - n}) for n in (1, 2, 3)]
    page = Parsed(html(report(_facts(Study("s", metrics, (), trials)))))
    assert "3 trials are on the Pareto front: no other trial beats them in all objectives." in page.text


def test_what_was_saved_by_steps() -> None:
    whole = [dataclasses.replace(trial(n, 1.0, seconds=(0.0, 100.0)), step=10) for n in (1, 2)]
    early = dataclasses.replace(trial(3, 2.0, stopped=True, seconds=(0.0, 25.0)), step=4)
    found = saved(study(*whole, early))
    assert (found.stopped, found.finished, found.unit) == (1, 3, "steps")
    assert found.share == pytest.approx(6 / 30)
    assert found.seconds == pytest.approx(75)
    assert str(found) == (
        "1 of 3 trials was stopped early. That saved about 20% of the steps, about 75 s of compute time: whole trials "
        "are the measure."
    )


def test_what_was_saved_by_time_and_what_nobody_knows() -> None:
    timed = study(trial(1, 1.0, seconds=(0.0, 100.0)), trial(2, 2.0, stopped=True, seconds=(0.0, 50.0)))
    assert (saved(timed).unit, saved(timed).share) == ("time", pytest.approx(0.25))
    assert "no other trial has ended" in str(saved(study(trial(1, 1.0, stopped=True))))
