"""Draws the figures that the documentation shows: python -m tests.figures.pictures [FOLDER]."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dodona import plots
from dodona_figures import Attempt, Metric, Parameter, Report, Study, Trial
from dodona_figures.report.html import html
from dodona_figures.report.report import Facts, report
from tests.web.browser import chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT = 900, 420
METRICS = (Metric("val_accuracy", "maximize"), Metric("seconds", "minimize"))
SPACE = (
    Parameter("learning_rate", 1e-5, 1e-1, "log"),
    Parameter("units", 16, 256, "log", whole=True),
    Parameter("dropout", 0.0, 0.6),
    Parameter("optimizer", choices=("adam", "sgd", "rmsprop")),
    Parameter("momentum", 0.0, 0.99, conditions=(("optimizer", ("sgd",)),)),
    Parameter("seed", 0, 1000, whole=True),
)
STEPS, WORKERS = 20, 4


def _value(parameters: dict[str, float | str], chance: np.random.Generator) -> float:
    """The accuracy of an imagined network: the learning rate matters most, the seed not at all."""
    rate, units = math.log10(float(parameters["learning_rate"])), math.log2(float(parameters["units"]))
    value = (
        0.97 - 0.07 * (rate + 2.7) ** 2 - 0.012 * (units - 7) ** 2 - 0.3 * (float(parameters["dropout"]) - 0.25) ** 2
    )
    if parameters["optimizer"] == "sgd":
        value -= 0.12 * (float(parameters["momentum"]) - 0.9) ** 2 + 0.01
    return max(0.1, value + 0.006 * float(chance.normal()))


def _drawn(chance: np.random.Generator, best: dict[str, float | str] | None) -> dict[str, float | str]:
    """Parameters, near the best ones so far half of the time, as a search draws them."""
    rate, units = chance.uniform(-5, -1), chance.uniform(4, 8)
    if best is not None and chance.random() < 0.5:
        rate = np.clip(math.log10(float(best["learning_rate"])) + 0.4 * chance.normal(), -5, -1)
        units = np.clip(math.log2(float(best["units"])) + 0.7 * chance.normal(), 4, 8)
    drawn: dict[str, float | str] = {
        "learning_rate": float(10**rate),
        "units": int(2**units),
        "dropout": float(chance.uniform(0, 0.6)),
        "optimizer": str(chance.choice(["adam", "sgd", "rmsprop"])),
        "seed": int(chance.integers(1000)),
    }
    if drawn["optimizer"] == "sgd":
        drawn["momentum"] = float(chance.uniform(0, 0.99))
    return drawn


def example(trials: int = 140, seed: int = 4, name: str = "digits") -> Study:
    """A study with stopped and failed trials, and workers of which one was lost."""
    chance = np.random.default_rng(seed)
    free, found, best = [1.7e9 + 3 * worker for worker in range(WORKERS)], list[Trial](), None
    top = 0.0
    for number in range(1, trials + 1):
        worker = int(np.argmin(free))
        parameters = _drawn(chance, best)
        value = _value(parameters, chance)
        curve = [value - (value - 0.1) * math.exp(-step / (2 + 3 * chance.random())) for step in range(1, STEPS + 1)]
        seconds = 40 + 0.5 * float(parameters["units"]) + 8 * float(chance.random())
        stopped, failed = value < top - 0.12 and number > 8, chance.random() < 0.04
        curve = curve[:6] if stopped else curve[:3] if failed else curve
        start = free[worker]
        end = start + seconds * len(curve) / STEPS
        free[worker] = end + 2 + 10 * float(chance.random())
        if not stopped and not failed and value > top:
            top, best = value, parameters
        trial = Trial(
            number,
            "INFEASIBLE" if failed else "SUCCEEDED",
            parameters,
            {} if failed else {"val_accuracy": curve[-1], "seconds": seconds},
            stopped and not failed,
            [Report(step, {"val_accuracy": one}, step * seconds / STEPS) for step, one in enumerate(curve, 1)],
            start,
            end,
            f"gpu-{worker}",
            reason="out of memory" if failed else "",
        )
        if number % 41 == 0:
            lost = Attempt(f"gpu-{WORKERS}", start - 45, start - 5, "lost")
            trial = dataclasses.replace(trial, attempts=[lost, Attempt(trial.worker, start, end, trial.mark)])  # type: ignore[arg-type]
        found.append(trial)
    return Study(name, METRICS, SPACE, found, 1.7e9)


def pictures() -> Iterator[tuple[str, object]]:
    """Each picture with its name."""
    study, other = example(), example(100, 9, "digits, smaller space")
    yield "history", plots.history(study)
    yield "history-compute", plots.history(study, by="compute")
    yield "curves", plots.curves(study)
    yield "parallel", plots.parallel(study)
    yield "slice", plots.slice(study, ["learning_rate", "units", "dropout", "optimizer"])
    yield "contour", plots.contour(study, "learning_rate", "units")
    yield "rank", plots.rank(study, "learning_rate", "dropout")
    yield "importance", plots.importance(study)
    yield "pareto", plots.pareto(study)
    yield "hypervolume", plots.hypervolume(study)
    yield "edf", plots.edf([study, other])
    yield "timeline", plots.timeline(dataclasses.replace(study, trials=study.trials[:60]))
    yield "compare", plots.compare([study, other], by="compute")


def written() -> str:
    """The report of the example, as a page."""
    study = example()
    metric = study.objectives[0]
    ranked = sorted(study.results(metric), key=lambda pair: -pair[1])
    facts = Facts(
        study=study,
        settings=[
            ("Algorithm", "Gaussian process bandit (default)"),
            ("Budget", "The study ends after 140 trials."),
            (
                "Early stopping",
                "Automatic: a trial is stopped when its predicted end has almost no chance to be better than that of "
                "its strongest rival, or when it diverges.",
            ),
        ],
        counts="140 trials: 99 succeeded, 39 stopped early, 2 infeasible",
        address="http://127.0.0.1:8080/studies/default/local/digits",
        reference="digits",
        made=study.created or 0.0,
        total=len(study.trials),
        best=[trial for trial, _ in ranked[:10]],
        failures=[(trial.number, trial.reason) for trial in study.trials if trial.mark == "failed"],
    )
    return html(report(facts))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH + 400, "height": HEIGHT + 300})
        for name, made in pictures():
            figure = made
            figure.update_layout(width=figure.layout.width or WIDTH, height=figure.layout.height or HEIGHT)  # type: ignore[attr-defined]
            page.set_content(figure.to_html(include_plotlyjs=True, full_html=True))  # type: ignore[attr-defined]
            page.wait_for_selector(".plotly-graph-div .main-svg")
            page.wait_for_timeout(400)
            page.locator(".plotly-graph-div").screenshot(path=folder / f"figure-{name}.png", animations="disabled")
        page.set_viewport_size({"width": WIDTH, "height": 1400})
        page.set_content(written())
        page.screenshot(path=folder / "report.png")


if __name__ == "__main__":
    main()
