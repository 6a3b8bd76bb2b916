"""The tree-structured Parzen estimator, multivariate.

Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization" (2011); the joint kernels over all
parameters after Falkner, Klein and Hutter, "BOHB" (2018); several objectives after Ozaki et al., "Multiobjective
tree-structured Parzen estimator" (2022). The densities are in `parzen`.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import integer, only
from dodona_server.algorithms.contract.results import Judge
from dodona_server.algorithms.shared.initial_design import Opening
from dodona_server.algorithms.shared.seen import Tried, without_tuner_values
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

DEFAULT_INITIAL = 10
DEFAULT_CANDIDATES = 24
MAX_INITIAL = 10_000
MAX_CANDIDATES = 10_000

# The best tenth is good, but no more than 25: with more, the good ones are no longer better than most.
_GOOD_SHARE = 0.1
_MAX_GOOD = 25
# Of the others, as many are modelled as keep a suggestion below a few hundredths of a second.
_MAX_BAD = 300


class Tpe:
    """Proposes what is likely among the good trials and unlikely among the others.

    Pending trials count among the others, so that workers keep apart; infeasible trials do too. A parameter that a
    trial lacks (inactive, or new since) has the prior's density in that trial's kernel: trials that share a branch
    of a conditional space inform each other about it, and about what they have in common with all.
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        only(spec, ("n_initial_points", "n_candidates"))
        _initial(spec)
        _candidates(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """The next `count` points; see `Algorithm.suggest`."""
        # NumPy is loaded by whoever searches, not by the server process.
        from dodona_server.algorithms.tpe.parzen import Parzen

        spec = problem.spec
        tried, opening = Tried(spec.space, completed, pending), Opening(problem)
        merits = Judge(spec).merits(completed)
        valid = sum(loss < math.inf for _, loss in merits)
        if valid < _initial(spec):
            return Suggestions([tried.new(opening, rng) for _ in range(count)])
        good, bad = split(spec, completed, merits, valid)
        tree = Tree(spec.space)
        others = [completed[index].parameters for index in _thinned(bad, _MAX_BAD)]
        under_way = [trial.parameters for trial in pending[-_MAX_BAD:]]
        model = Parzen(
            tree,
            [tree.cells(without_tuner_values(completed[index].parameters)) for index in good],
            [tree.cells(without_tuner_values(values)) for values in others + under_way],
            rng.getrandbits(64),
        )

        def propose() -> Mapping[str, Value]:
            return model.propose(_candidates(spec))

        suggested: list[Mapping[str, Value]] = []
        for _ in range(count):
            point = tried.new(propose, rng)
            model.avoid(tree.cells(point))
            suggested.append(point)
        return Suggestions(suggested)


def split(
    spec: StudySpec, completed: Sequence[Trial], merits: Sequence[tuple[float, float]], valid: int
) -> tuple[list[int], list[int]]:
    """The indices of the good trials and of the others, in the order of the trials.

    Args:
        spec: the study's; with several objectives, the trials of the first fronts are good.
        completed: the finished trials.
        merits: of these.
        valid: how many of them have a result.
    """
    size = max(1, min(math.ceil(_GOOD_SHARE * valid), _MAX_GOOD))
    if len(spec.objectives) > 1:
        from dodona_server.algorithms.shared.nondominated import survivors

        good = set(survivors([Judge(spec).outcome(trial) for trial in completed], size))
    else:
        ranked = heapq.nsmallest(size, zip(merits, itertools.count(), strict=False))
        good = {index for _, index in ranked}
    return sorted(good), [index for index in range(len(completed)) if index not in good]


def _thinned(indices: Sequence[int], size: int) -> Sequence[int]:
    """Half of them the latest, half evenly from all before, in their order."""
    if len(indices) <= size:
        return indices
    late = size // 2
    early = indices[:-late]
    rest = size - late
    return [*(early[len(early) * step // rest] for step in range(rest)), *indices[-late:]]


def _initial(spec: StudySpec) -> int:
    return integer(spec, "n_initial_points", DEFAULT_INITIAL, 1, MAX_INITIAL)


def _candidates(spec: StudySpec) -> int:
    return integer(spec, "n_candidates", DEFAULT_CANDIDATES, 1, MAX_CANDIDATES)
