"""TensorFlow's graphs of a trial, which it would otherwise keep until the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dodona.keras._compat import gradient_registry


@contextmanager
def graphs_released() -> Iterator[None]:
    """Release, at the end of the block, the graphs that were traced in it and are not in use.

    For each custom gradient in a graph, TensorFlow registers a function under a new name, and never removes it. The
    function refers to the graph: some megabytes a trial. Traced functions still work without it. Only a gradient of an
    old graph can no longer be traced, and no training needs one.
    """
    registry = gradient_registry()
    before = set(registry)
    try:
        yield
    finally:
        for name in registry.keys() - before:
            if name.startswith("CustomGradient-"):
                del registry[name]
