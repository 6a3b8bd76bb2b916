"""Earlier studies that a study learns from: find them, and say how much each counts."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import DodonaError
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.prior_study import PriorStudy
from dodona_server.domain.studies.similarity import most_similar, similarity
from dodona_server.domain.studies.study import Study, StudySpec
from dodona_server.domain.trials.explanation import read_explanation
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies, study_list
from dodona_server.storage.trials import listing, ranking

# A study with fewer results is not found.
LEAST_RESULTS = 10
# The number of the project's latest studies that are compared.
MOST_COMPARED = 100
# The number of the latest trials over which weights are averaged.
LATEST = 10


def find_prior_studies(transaction: Transaction, name: StudyName, spec: StudySpec) -> list[PriorStudy]:
    """Return the project's studies that are most like a study, the most similar first; of equal ones the latest first.

    Args:
        transaction: the transaction to read in.
        name: of the study, which is not found itself.
        spec: its spec. There are none if it does not ask for them, or if its algorithm does not learn from others.
    """
    if not spec.auto_prior_studies or not algorithm_for(spec.algorithm).traits.uses_priors:
        return []
    latest = study_list.latest(transaction, name.parent.project, LEAST_RESULTS, MOST_COMPARED)
    others = (one for one in latest if one.name != name and ranking.has(transaction, one, LEAST_RESULTS))
    found = most_similar(spec, ((other.spec, other) for other in others))
    return [PriorStudy(other.name, how, ranking.count(transaction, other)) for how, other in found]


def with_prior_studies(spec: StudySpec, found: Sequence[PriorStudy]) -> StudySpec:
    """Return the spec with the earlier studies that were found for it."""
    return dataclasses.replace(spec, found_prior_studies=tuple(str(one.name) for one in found))


def worded(found: Sequence[PriorStudy]) -> str:
    """Return the studies as text: "digits (similarity 0.93)"."""
    return ", ".join(f"{one.name.study_id} (similarity {one.similarity:.2f})" for one in found) or "no other study"


def with_known_priors(transaction: Transaction, study: Study) -> Study:
    """Return the study with the earlier ones that it learns from, as they are now; without those that do not exist."""
    if not study.spec.learns_from:
        return study
    weights = _weights(transaction, study)
    found = []
    for name in study.spec.learns_from:
        other = _find(transaction, study, name)
        if other is not None:
            weight = weights.get(name, 0.0) if weights else None
            found.append(_seen(transaction, study, other, weight))
    return dataclasses.replace(study, prior_studies=tuple(found))


def _seen(transaction: Transaction, study: Study, other: Study, weight: float | None) -> PriorStudy:
    if other.name.parent.project != study.name.parent.project:
        # Who may read this study may not know anything of another project's.
        return PriorStudy(other.name, None, None, weight)
    return PriorStudy(other.name, similarity(study.spec, other.spec), ranking.count(transaction, other), weight)


def _find(transaction: Transaction, study: Study, name: str) -> Study | None:
    try:
        return studies.find(transaction, study.name.parent.study(name))
    except DodonaError:
        # People may name anything.
        return None


def _weights(transaction: Transaction, study: Study) -> dict[str, float]:
    """Return each earlier study's mean part of the latest expectations; nothing before the first model."""
    latest = list(range(max(1, study.next_trial_number - LATEST), study.next_trial_number))
    known = [read_explanation(trial.metadata) for trial in listing.numbered(transaction, study, latest)]
    shares = [one.by_prior_study for one in known if one is not None and one.prior_studies is not None]
    names = {name for share in shares for name in share}
    return {name: statistics.fmean(share.get(name, 0.0) for share in shares) for name in sorted(names)}
