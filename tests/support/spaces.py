"""hypothesis strategies for search spaces of every shape."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from dodona_server.domain.space import (
    Branch,
    Categorical,
    Discrete,
    Double,
    Integer,
    Kind,
    Parameter,
    Scale,
    SearchSpace,
    Value,
)

scales = st.sampled_from(Scale)


@st.composite
def doubles(draw: st.DrawFn) -> Double:
    scale = draw(scales)
    low = 1e-300 if scale is not Scale.LINEAR else -1e308
    bounds = st.floats(low, 1e308, allow_subnormal=False).map(lambda bound: bound + 0.0)  # -0.0 is 0.0
    small, large = sorted((draw(bounds), draw(bounds)))
    default = draw(st.none() | st.floats(small, large))
    return Double(small, large, scale, default)


@st.composite
def integers(draw: st.DrawFn) -> Integer:
    scale = draw(scales)
    bounds = st.integers(1 if scale is not Scale.LINEAR else -(2**63) + 1, 2**63 - 1)
    small, large = sorted((draw(bounds), draw(bounds)))
    default = draw(st.none() | st.integers(small, large))
    return Integer(small, large, scale, default)


@st.composite
def categoricals(draw: st.DrawFn) -> Categorical:
    values = tuple(draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)))
    return Categorical(values, draw(st.none() | st.sampled_from(values)))


@st.composite
def discretes(draw: st.DrawFn) -> Discrete:
    numbers = st.integers(1, 10**6) | st.integers(1, 10**6).map(lambda n: n + 0.5)
    values = tuple(draw(st.lists(numbers, min_size=1, max_size=6, unique=True)))
    return Discrete(values, draw(scales), draw(st.none() | st.sampled_from(values)))


kinds = doubles() | integers() | categoricals() | discretes()


def some_values(kind: Kind) -> st.SearchStrategy[tuple[Value, ...]]:
    """Return a strategy for one to three values of the type."""
    one: st.SearchStrategy[Value]
    match kind:
        case Integer():
            one = st.integers(kind.min_value, kind.max_value)
        case Categorical() | Discrete():
            one = st.sampled_from(kind.values)
        case Double():
            raise ValueError("a Double has no children")
    return st.lists(one, min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def spaces(draw: st.DrawFn, depth: int = 3) -> SearchSpace:
    """Draw a space of up to a dozen parameters, with conditions to `depth` levels."""
    names = iter(f"p{index}{draw(st.sampled_from(string.ascii_letters))}" for index in range(1000))

    def parameters(level: int, most: int) -> tuple[Parameter, ...]:
        return tuple(parameter(level) for _ in range(draw(st.integers(0 if level else 1, most))))

    def parameter(level: int) -> Parameter:
        kind = draw(kinds)
        branches: tuple[Branch, ...] = ()
        if level < depth and not isinstance(kind, Double):
            branches = tuple(Branch(draw(some_values(kind)), child) for child in parameters(level + 1, 2))
        return Parameter(next(names), kind, branches)

    return SearchSpace(parameters(0, 4))
