"""Earlier studies that a study learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona._text import checked
from dodona_schemas import vertex


@dataclass(frozen=True)
class PriorStudy:
    """An earlier study that a study learns from.

    `name` is its whole name and `id` the last part of that. `similarity` compares the parameters of both studies, from
    0 to 1. `trials` is the number of results to learn from. Both are None for a study of another project. `weight` is
    the part of the study's latest expectations that comes from the earlier study, from 0 to 1; None before the first
    model.
    """

    name: str
    similarity: float | None
    trials: int | None
    weight: float | None

    @property
    def id(self) -> str:
        """Last part of the name."""
        return self.name.rpartition("/")[2]

    def __str__(self) -> str:
        known = [
            None if self.similarity is None else f"similarity {self.similarity:.2f}",
            None if self.trials is None else f"{self.trials} trials",
            None if self.weight is None else f"counts {self.weight:.0%}",
        ]
        told = ", ".join(one for one in known if one)
        return f"{self.id} ({told})" if told else self.id


def prior_study_of(wire: vertex.PriorStudy) -> PriorStudy:
    """Return the earlier study that the server sent."""
    return PriorStudy(wire.name, wire.similarity, wire.trial_count, wire.weight)


def requested(given: str | Sequence[str] | None) -> vertex.PriorStudies:
    """Return the earlier studies that a user requests, as on the wire.

    Args:
        given: ids or whole names; "auto", "off", or None for none.

    Raises:
        ValueError: it is another text, or a name is no text.
    """
    if given == vertex.AUTO:
        return vertex.AUTO
    if given is None or given == vertex.OFF:
        return []
    if isinstance(given, str):
        raise ValueError(f"prior_studies is {given!r}; use 'auto', 'off' or a list of studies, as in [{given!r}]")
    return [checked(name, "a name in prior_studies") for name in given]
