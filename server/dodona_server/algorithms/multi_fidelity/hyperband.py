"""Hyperband: many short trainings, of which the best continue, with KerasTuner's semantics.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization" (2018); sizes, epochs and the time of a promotion are KerasTuner's. Bracket b has rounds 0 to b; the
highest b discards most and comes first. An iteration runs all brackets once.
"""

from __future__ import annotations

import math

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.multi_fidelity.brackets import Plan, Rung, suggest_in
from dodona_server.algorithms.multi_fidelity.fidelity import (
    DEFAULT_MAX_RESOURCE,
    FIDELITY,
    MAX_EPOCHS,
    Fidelity,
    fidelity_parameter,
    whole_range,
)
from dodona_server.algorithms.multi_fidelity.sampler import SAMPLER, sampler_of
from dodona_server.algorithms.multi_fidelity.trials import Rungs
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import StudySpec

DEFAULT_FACTOR = 3
MAX_ITERATIONS = 1_000_000


class Hyperband(Algorithm):
    """Suggests new points for first rounds and promotions for later ones, each with the epochs to train.

    While a bracket waits for its trials the next one begins. A worker that would wait in the last one gets the best
    trial so far, as long as the next round has a place. In a part of the space only the trials inside it are promoted.
    """

    # A trial outside the brackets would have no number of epochs.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("max_epochs", "factor", "hyperband_iterations", FIDELITY, SAMPLER))
        plan_of(_fidelity(spec, spec.space), _factor(spec))
        _iterations(spec)
        sampler_of(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        spec = request.problem.spec
        fidelity = _fidelity(spec, request.problem.whole or spec.space)
        rungs = Rungs(request, fidelity, sampler_of(spec))
        return suggest_in(plan_of(fidelity, _factor(spec)), rungs, request.count, _iterations(spec))


def plan_of(fidelity: Fidelity, factor: int) -> Plan:
    """Return the rounds of each bracket; the one with the highest number comes first.

    Args:
        fidelity: the last round of each bracket has all of it.
        factor: the ratio of the trials, and of the resources, of successive rounds.
    """
    count, resource = 0, float(fidelity.most)
    while resource >= fidelity.least:
        resource /= factor
        count += 1
    return [_rounds(fidelity, factor, bracket) for bracket in range(count)]


def _rounds(fidelity: Fidelity, factor: int, bracket: int) -> list[Rung]:
    rounds: list[Rung] = []
    for left in range(bracket, -1, -1):
        last = math.ceil(1 + math.log(fidelity.most / fidelity.least, factor)) / (bracket + 1)
        size, resource = math.ceil(last * float(factor) ** left), fidelity.at(fidelity.most / float(factor) ** left)
        # A parameter may have too few values for all rounds.
        if not rounds or resource > rounds[-1].resource:
            rounds.append(Rung(size, resource))
    return rounds


def _fidelity(spec: StudySpec, space: SearchSpace) -> Fidelity:
    if FIDELITY not in spec.algorithm_options:
        return Fidelity(1, integer(spec, "max_epochs", DEFAULT_MAX_RESOURCE, 1, MAX_EPOCHS))
    if "max_epochs" in spec.algorithm_options:
        raise InvalidArgument("has no meaning if a parameter is the fidelity", "algorithm_options.max_epochs")
    return whole_range(fidelity_parameter(spec, space))


def _factor(spec: StudySpec) -> int:
    return integer(spec, "factor", DEFAULT_FACTOR, 2, MAX_EPOCHS)


def _iterations(spec: StudySpec) -> int:
    """Return the number of iterations over all brackets; 0 for no limit."""
    return integer(spec, "hyperband_iterations", 1, 0, MAX_ITERATIONS)
