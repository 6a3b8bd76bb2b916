"""Figures drawn by Plotly, with the colours and marks of the pages; importing it imports Plotly."""

from dodona._plotly.fronts import hypervolume, pareto
from dodona._plotly.results import compare, curves, edf, history
from dodona._plotly.spaces import contour, importance, parallel, rank, slices
from dodona._plotly.times import timeline

__all__ = [
    "compare",
    "contour",
    "curves",
    "edf",
    "history",
    "hypervolume",
    "importance",
    "parallel",
    "pareto",
    "rank",
    "slices",
    "timeline",
]
