"""Figures of studies: from plain records to plain data, which pages and notebooks draw alike.

    figure = dodona_figures.history(study, by="compute", most=2000)
    json.dumps(dodona_figures.plain(figure))

`study` is a `Study`: its name, its metrics, its parameters and its trials. Each function below returns a dataclass
that `plain` makes dicts, lists, texts and finite numbers of. The keys are the names of the fields; what they mean is
in the docstring of the class.

    history(study, metric, by, most)        History       results and the best so far, by trial, time or compute time
    curves(study, metric, by, most, ...)    Curves        learning curves
    parallel(study, metric, parameters, most)  Parallel   parallel coordinates
    slices(study, metric, parameters, most) Slices        results by the values of each parameter
    rank(study, x, y, metric, most)         Rank          ranks of the results by two parameters
    contour(study, x, y, metric, most)      Contour       results over two parameters, with a surface between them
    importance(study, metric)               Importance    how much each parameter matters, with an interval
    promising(study, metric)                list[Region]  where a model of the results expects the best ones
    pareto(study, metrics, most)            Pareto        trials by several objectives, and the front
    hypervolume(study, metrics)             Hypervolume   what the front dominates, over the trials
    edf(studies, metric, most)              Edf           distribution functions of results
    timeline(study, now, most)              Timeline      which worker held which trial
    compare(studies, metric, by)            Comparison    several studies beside each other

A mark is "succeeded", "stopped" (early), "failed", "running" or "queued". `LIGHT` and `DARK` have the colours of the
marks, `WORDS` has their names. `most` limits how many trials come back, and keeps the important ones. `contour`,
`importance` and `promising` need NumPy. Nothing here imports another part of Dodona, draws, or reads a clock.
"""

from dodona_figures.axes import Axis
from dodona_figures.look import DARK, LIGHT, WORDS, Look
from dodona_figures.parameters.importance import Importance, Share, importance
from dodona_figures.parameters.parallel import Parallel, parallel
from dodona_figures.parameters.planes import Contour, Rank, contour, rank
from dodona_figures.parameters.promising import Region, promising
from dodona_figures.parameters.slices import Panel, Slices, slices
from dodona_figures.plain import plain
from dodona_figures.records import Attempt, Metric, Parameter, Report, Study, Trial, merged
from dodona_figures.trials.comparison import Compared, Comparison, Shared, compare
from dodona_figures.trials.curves import Curve, Curves, curves, metrics_of, smoothed
from dodona_figures.trials.distribution import Distribution, Edf, edf
from dodona_figures.trials.front import Hypervolume, Pareto, hypervolume, pareto
from dodona_figures.trials.history import BestSoFar, Failed, History, Points, history
from dodona_figures.trials.timeline import Bar, Timeline, WorkerTime, timeline

__all__ = [
    "DARK",
    "LIGHT",
    "WORDS",
    "Attempt",
    "Axis",
    "Bar",
    "BestSoFar",
    "Compared",
    "Comparison",
    "Contour",
    "Curve",
    "Curves",
    "Distribution",
    "Edf",
    "Failed",
    "History",
    "Hypervolume",
    "Importance",
    "Look",
    "Metric",
    "Panel",
    "Parallel",
    "Parameter",
    "Pareto",
    "Points",
    "Rank",
    "Region",
    "Report",
    "Share",
    "Shared",
    "Slices",
    "Study",
    "Timeline",
    "Trial",
    "WorkerTime",
    "compare",
    "contour",
    "curves",
    "edf",
    "history",
    "hypervolume",
    "importance",
    "merged",
    "metrics_of",
    "parallel",
    "pareto",
    "plain",
    "promising",
    "rank",
    "slices",
    "smoothed",
    "timeline",
]
