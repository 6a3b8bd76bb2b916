"""Search space: parameters of four kinds in a tree of conditions.

A parameter at the root is always active. A parameter in a branch is active when its parent is active and has one of the
branch's values.
"""

from dodona_server.domain.space.kinds import (
    MAX_DOUBLE,
    Categorical,
    Discrete,
    Double,
    Integer,
    Kind,
    Scale,
    Value,
    agrees,
)
from dodona_server.domain.space.search_space import MAX_PARAMETERS, SearchSpace
from dodona_server.domain.space.tree import Branch, Parameter, check_depth

__all__ = [
    "MAX_DOUBLE",
    "MAX_PARAMETERS",
    "Branch",
    "Categorical",
    "Discrete",
    "Double",
    "Integer",
    "Kind",
    "Parameter",
    "Scale",
    "SearchSpace",
    "Value",
    "agrees",
    "check_depth",
]
