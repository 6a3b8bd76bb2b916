"""Figures of a study as methods; see `plots`, which is imported for the first figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from dodona._figures.source import FigureSource

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from dodona_figures.trials.history import By


class Figures(FigureSource):
    """Figures of a study, each a plotly.graph_objects.Figure; `dodona.plots` says what they show and raise."""

    def plot_history(self, metric: str | None = None, by: By = "trial") -> Figure:
        """Return a figure of the results, with the best so far; see `plots.history`."""
        return _plots().history(self, metric, by)

    def plot_curves(
        self, metric: str | None = None, by: Literal["step", "time"] = "step", smooth: float = 0.0
    ) -> Figure:
        """Return a figure of the learning curves; see `plots.curves`."""
        return _plots().curves(self, metric, by, smooth)

    def plot_slice(self, parameters: Iterable[str] | None = None, metric: str | None = None) -> Figure:
        """Return a figure of the results by the values of each parameter; see `plots.slice`."""
        return _plots().slice(self, parameters, metric)

    def plot_parallel(self, parameters: Iterable[str] | None = None, metric: str | None = None) -> Figure:
        """Return a figure in parallel coordinates; see `plots.parallel`."""
        return _plots().parallel(self, parameters, metric)

    def plot_contour(self, x: str | None = None, y: str | None = None, metric: str | None = None) -> Figure:
        """Return a figure of the results over two parameters; see `plots.contour`."""
        return _plots().contour(self, x, y, metric)

    def plot_rank(self, x: str | None = None, y: str | None = None, metric: str | None = None) -> Figure:
        """Return a figure of the ranks of the results over two parameters; see `plots.rank`."""
        return _plots().rank(self, x, y, metric)

    def plot_importance(self, metric: str | None = None) -> Figure:
        """Return a figure of how much each parameter matters; see `plots.importance`."""
        return _plots().importance(self, metric)

    def plot_pareto(self, metrics: Sequence[str] | None = None) -> Figure:
        """Return a figure of the Pareto front; see `plots.pareto`."""
        return _plots().pareto(self, metrics)

    def plot_hypervolume(self, metrics: Sequence[str] | None = None) -> Figure:
        """Return a figure of the hypervolume over the trials; see `plots.hypervolume`."""
        return _plots().hypervolume(self, metrics)

    def plot_edf(self, metric: str | None = None) -> Figure:
        """Return a figure of the distribution of the results; see `plots.edf`."""
        return _plots().edf(self, metric)

    def plot_timeline(self) -> Figure:
        """Return a figure of the workers over time; see `plots.timeline`."""
        return _plots().timeline(self)


def _plots() -> Any:
    from dodona import plots

    return plots
