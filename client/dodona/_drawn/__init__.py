"""Figures drawn by Plotly, with the colours and marks of the pages; importing it imports Plotly."""

from dodona._drawn.fronts import hypervolume, pareto
from dodona._drawn.results import compare, curves, edf, history
from dodona._drawn.spaces import contour, importance, parallel, rank, slices
from dodona._drawn.times import timeline

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
