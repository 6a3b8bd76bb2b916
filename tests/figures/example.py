"""Studies for tests of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dodona_figures import Metric, Parameter, Report, Study, Trial

LOSS = Metric("loss", "minimize")
SPACE = (
    Parameter("rate", 1e-5, 1e-1, "log"),
    Parameter("units", 8, 64, whole=True),
    Parameter("kind", choices=("adam", "sgd")),
    Parameter("momentum", 0.0, 0.99, conditions=(("kind", ("sgd",)),)),
)


def trial(
    number: int,
    value: float | None = None,
    *,
    state: str = "SUCCEEDED",
    stopped: bool = False,
    seconds: tuple[float, float | None] | None = None,
    curve: Sequence[float] = (),
    worker: str = "w",
    parameters: Mapping[str, float | str] | None = None,
) -> Trial:
    """A trial of the objective "loss"."""
    start, end = seconds or (None, None)
    return Trial(
        number=number,
        state=state,
        parameters={"rate": 10.0 ** -(1 + number % 5), "units": 8 + number, "kind": "adam"}
        if parameters is None
        else parameters,
        metrics={} if value is None else {"loss": value},
        stopped=stopped,
        reports=[Report(step, {"loss": one}, float(step)) for step, one in enumerate(curve, 1)],
        start=start,
        end=end,
        worker=worker,
        reason="it broke" if state == "INFEASIBLE" else "",
    )


def study(*trials: Trial, metrics: tuple[Metric, ...] = (LOSS,), name: str = "study") -> Study:
    """A study of these trials."""
    return Study(name, metrics, SPACE, trials)
