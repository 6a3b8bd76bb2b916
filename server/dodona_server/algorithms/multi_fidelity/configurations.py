"""Configurations: each is trained by one trial after another, and has a result at each rung that it has reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dodona_server.algorithms.multi_fidelity.trials import RungTrial
from dodona_server.algorithms.space.features import features_of
from dodona_server.curve_model.curves import Progress, Table
from dodona_server.curve_model.model import fit_table
from dodona_server.domain.space import SearchSpace

# So many configurations may be next; the chances of others are too low to matter.
MOST_LIKELY = 20


@dataclass(slots=True, eq=False)
class Configuration:
    """A point with its training so far.

    Args:
        last: its latest trial.
        merits: its best result up to each rung that it has finished, see `RungTrial.merit`.
    """

    last: RungTrial
    merits: list[tuple[float, float]] = field(default_factory=list)

    @property
    def resource(self) -> float:
        """Resource that it has got, with that of a running trial."""
        return self.last.resource or 0.0

    @property
    def runs(self) -> bool:
        """Whether a trial of it is running."""
        return not self.last.finished

    @property
    def failed(self) -> bool:
        """Whether it ended without a result: it was infeasible, or was stopped."""
        return self.last.finished and self.last.merit is None


def configurations_of(trials: Iterable[RungTrial]) -> list[Configuration]:
    """Return the configurations of a study, in the order of their first trials.

    Args:
        trials: in the order of their numbers. Those that the algorithm did not suggest, and those whose parent has been
            deleted, belong to none.
    """
    configurations: list[Configuration] = []
    of: dict[int | None, Configuration] = {}
    for trial in trials:
        if trial.budget is None or trial.resource is None:
            continue
        if trial.parent is None:
            configurations.append(Configuration(trial))
            configuration = configurations[-1]
        elif trial.parent in of:
            configuration = of[trial.parent]
            configuration.last = trial
        else:
            continue
        of[trial.number] = configuration
        if trial.merit is not None:
            configuration.merits.append(min([trial.merit, *configuration.merits[-1:]]))
    return configurations


def likeliest(
    space: SearchSpace, configurations: Sequence[Configuration], resources: Sequence[float]
) -> Mapping[int, float]:
    """Return the indices of the paused configurations that most likely end as the best of all, and that chance.

    Args:
        space: the study's.
        configurations: of the study.
        resources: of all rungs.
    """
    known = [number for number, one in enumerate(configurations) if one.merits]
    if not known:
        return {}
    # The model compares ranks; so results are ranks, and those with a smaller violation of safety are better.
    ordered = sorted({merit for number in known for merit in configurations[number].merits}, reverse=True)
    rank = {merit: float(place) for place, merit in enumerate(ordered)}
    bests = np.full((len(known), len(resources)), np.nan)
    for row, number in zip(bests, known, strict=True):
        merits = configurations[number].merits
        row[: len(merits)] = [rank[merit] for merit in merits]
    progress = [_progress(configurations[number], resources) for number in known]
    features = features_of(space, [configurations[number].last.values for number in known])
    table = Table(known, np.array(resources, float), bests, progress, features)
    model = fit_table(table, learns_volatility=True)
    paused = {
        number
        for number, one in zip(known, progress, strict=True)
        if one is Progress.RUNNING and not configurations[number].runs
    }
    return model.likeliest(paused, MOST_LIKELY)


def _progress(configuration: Configuration, resources: Sequence[float]) -> Progress:
    if configuration.failed:
        return Progress.STOPPED
    return Progress.ENDED if len(configuration.merits) == len(resources) else Progress.RUNNING
