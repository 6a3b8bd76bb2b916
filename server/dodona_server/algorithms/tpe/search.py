"""Tree-structured Parzen estimator, multivariate.

Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization" (2011); the joint kernels over all
parameters after Falkner, Klein and Hutter, "BOHB" (2018); several objectives after Ozaki et al., "Multiobjective
tree-structured Parzen estimator" (2022). The densities are in `parzen`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.contract.results import INFEASIBLE, ResultReader
from dodona_server.algorithms.shared.initial_design import INITIAL_DESIGN, InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.simple.sampling import hinted
from dodona_server.algorithms.space.tree import Cells, Tree
from dodona_server.domain.space import Value
from dodona_server.domain.studies.hint import Sure
from dodona_server.domain.studies.study import StudySpec
from dodona_server.domain.trials.continuation import without_tuner_values
from dodona_server.domain.trials.trial import Trial

DEFAULT_INITIAL = 10
DEFAULT_CANDIDATES = 24
MAX_INITIAL = 10_000
MAX_CANDIDATES = 10_000
HINTED = "near the hints"
# How many good trials a hinted value counts as.
_WEIGHT = {Sure.VAGUELY: 1, Sure.FAIRLY: 2, Sure.VERY: 4}
LIKELY = "most likely among the best trials, and unlikely among the others"

# The best tenth are the good trials, but at most 25: with more, they would not be better than most.
_GOOD_SHARE = 0.1
_MAX_GOOD = 25
# The largest number of other trials in the model, so that a suggestion takes a few hundredths of a second.
_MAX_BAD = 300


class Tpe(Algorithm):
    """Proposes points that are likely among the good trials and unlikely among the others.

    Pending trials count as others, so that workers try different points; infeasible trials do too. Trials that were
    stopped early rank by the loss that their curves predict; they are others if nothing is predicted. A parameter that
    a trial lacks (inactive, or added since) has the prior's density in that trial's kernel. So trials in the same
    branch of a conditional space share information about the branch, and all trials about their common parameters.
    """

    traits = Traits(needs_curves=True)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("n_initial_points", "n_candidates"))
        _initial_points(spec)
        _candidates(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        # The process that searches imports NumPy; the server process does not.
        from dodona_server.algorithms.tpe.parzen import Parzen

        spec, pending = request.problem.spec, request.pending
        finished, merits = _ranked(request)
        tried, initial = SeenPoints(request), InitialDesign(request.problem)
        valid = sum(loss < math.inf for _, loss in merits)
        if valid < _initial_points(spec):
            return Suggestions([_initial(request, tried, initial, index) for index in range(request.count)])
        good, bad = split(spec, finished, merits, valid)
        tree = Tree(spec.space)
        others = [finished[index].parameters for index in _thinned(bad, _MAX_BAD)]
        under_way = [trial.parameters for trial in pending[-_MAX_BAD:]]
        model = Parzen(
            tree,
            _hinted(spec, tree) + [tree.cells(without_tuner_values(finished[index].parameters)) for index in good],
            [tree.cells(without_tuner_values(values)) for values in others + under_way],
            request.rng.getrandbits(64),
        )

        def propose() -> Mapping[str, Value]:
            return model.propose(_candidates(spec))

        suggested: list[Suggestion] = []
        for _ in range(request.count):
            point = tried.new(propose, LIKELY)
            model.avoid(tree.cells(point.parameters))
            suggested.append(point)
        return Suggestions(suggested)


def _initial(request: Request, tried: SeenPoints, initial: InitialDesign, index: int) -> Suggestion:
    """Return the point of that index of the initial design; with hints, every second one is near them."""
    spec, rng = request.problem.spec, request.rng
    if spec.hints and (request.known + index) % 2 == 0:
        return tried.new(lambda: hinted(spec.space, spec.hints, rng), HINTED)
    return tried.new(initial, INITIAL_DESIGN)


def _hinted(spec: StudySpec, tree: Tree) -> list[Cells]:
    """Return the hints as good trials, which lack the other parameters: more of them the surer the hint is."""
    return [
        cells
        for name, hint in spec.hints.items()
        for value in hint.values
        for _ in range(_WEIGHT[hint.sure])
        if (cells := dict(tree.cells_of(name, value)))
    ]


def _ranked(request: Request) -> tuple[list[Trial], list[tuple[float, float]]]:
    """Return the finished trials in order, and their sort keys: the predicted loss of those stopped early."""
    merits = ResultReader(request.problem.spec).merits(request.completed)
    if not request.stopped:
        return list(request.completed), merits
    from dodona_server.algorithms.shared.predicted_losses import predicted_losses

    known = predicted_losses(request)
    merits += [(0.0, known[one.number].loss) if one.number in known else INFEASIBLE.merit for one in request.stopped]
    both = zip([*request.completed, *request.stopped], merits, strict=True)
    ordered = sorted(both, key=lambda one: one[0].number)
    return [trial for trial, _ in ordered], [merit for _, merit in ordered]


def split(
    spec: StudySpec, completed: Sequence[Trial], merits: Sequence[tuple[float, float]], valid: int
) -> tuple[list[int], list[int]]:
    """Return the indices of the good trials and of the others, both ascending.

    Args:
        spec: the study's; with several objectives, the trials of the first fronts are good.
        completed: the finished trials, also those stopped early.
        merits: of these trials.
        valid: the number of those with a result.
    """
    size = max(1, min(math.ceil(_GOOD_SHARE * valid), _MAX_GOOD))
    if len(spec.objectives) > 1:
        from dodona_server.algorithms.shared.nondominated import survivors

        good = set(survivors([ResultReader(spec).result(trial) for trial in completed], size))
    else:
        ranked = heapq.nsmallest(size, zip(merits, itertools.count(), strict=False))
        good = {index for _, index in ranked}
    return sorted(good), [index for index in range(len(completed)) if index not in good]


def _thinned(indices: Sequence[int], size: int) -> Sequence[int]:
    """Return `size` indices in order: one half the latest, the other half evenly spaced among those before."""
    if len(indices) <= size:
        return indices
    late = size // 2
    early = indices[:-late]
    rest = size - late
    return [*(early[len(early) * step // rest] for step in range(rest)), *indices[-late:]]


def _initial_points(spec: StudySpec) -> int:
    return integer(spec, "n_initial_points", DEFAULT_INITIAL, 1, MAX_INITIAL)


def _candidates(spec: StudySpec) -> int:
    return integer(spec, "n_candidates", DEFAULT_CANDIDATES, 1, MAX_CANDIDATES)
