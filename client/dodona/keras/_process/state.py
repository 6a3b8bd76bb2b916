"""State that all tuners of this process share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ProcessState:
    """Record of what this process has done with studies and trials.

    Attributes:
        workers: the ids under which it has asked for trials.
        released: the trials that it has released unfinished, by study and number; the server names no worker for them.
        searched: the names of the studies that it has searched.
    """

    workers: set[str] = field(default_factory=set)
    released: set[tuple[str, int]] = field(default_factory=set)
    searched: set[str] = field(default_factory=set)


process_state = ProcessState()
