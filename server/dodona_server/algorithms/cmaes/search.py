"""CMA-ES: a Gaussian whose mean, step and covariance follow the better half of each generation.

Hansen and Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies" (2001); the `cmaes` package's
implementation (Nomura and Shibata, 2024). With categorical parameters it is CatCMA (Hamano et al., 2024), which also
has a distribution of categories. With very many numeric parameters it is sep-CMA-ES (Ros and Hansen, 2008), which
learns only the variances.
"""

from __future__ import annotations

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer, real
from dodona_server.algorithms.contract.results import with_stopped
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.studies.study import StudySpec

# Six standard deviations span the unit interval.
DEFAULT_SIGMA = 1 / 6
MIN_SIGMA, MAX_SIGMA = 1e-6, 1.0
MAX_POPULATION = 1000
DRAWN = "drawn from the distribution that the best trials shaped"


class CmaEs(Algorithm):
    """Reconstructs the state by replaying the generations over the trials, in the order in which they finished.

    Integers and discrete values are rounded from the unit interval. Conditional parameters always take part; where they
    are inactive their values are noise. Trials that were stopped early take part in their generation, behind those that
    succeeded. See `replay`.
    """

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("sigma", "population_size"))
        _sigma(spec)
        _population_size(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        # The process that searches imports NumPy; the server process does not.
        from dodona_server.algorithms.cmaes.replay import Replay

        problem, spec, rng = request.problem, request.problem.spec, request.rng
        tried, tree = SeenPoints(request), Tree(spec.space)
        if all(dimension.axis.levels == 1 for dimension in tree.dimensions):
            return Suggestions.of(
                (sample(spec.space, rng) for _ in range(request.count)), "the only point of the space"
            )
        replay = Replay(tree, _sigma(spec), _population_size(spec), problem.seed)
        arrived, merits = with_stopped(spec, request.completed, request.stopped)
        replay.run([trial.parameters for trial in arrived], merits)
        replay.reseed(rng.getrandbits(31))
        return Suggestions([tried.new(replay.draw, DRAWN) for _ in range(request.count)])


def _sigma(spec: StudySpec) -> float:
    return real(spec, "sigma", DEFAULT_SIGMA, MIN_SIGMA, MAX_SIGMA)


def _population_size(spec: StudySpec) -> int:
    """Return the size of a generation; 0 for the usual size, which grows with the number of parameters."""
    return integer(spec, "population_size", 0, 0, MAX_POPULATION)
