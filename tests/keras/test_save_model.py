"""Models that users save themselves, by their own save_model or by the tuner's, are found on any machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras_tuner import Objective

from dodona import Study
from dodona.keras import CloudTuner
from tests.keras.models import DATA, X, Y, build_fixed

Tune = Callable[..., Any]
# Nothing to fit a model to.
RANDOM: dict[str, Any] = {"algorithm": "random_search"}


class Own(CloudTuner):
    """Trains by hand, and saves and loads models by hand."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        x = trial.hyperparameters.Float("x", 0.0, 1.0)
        self.save_model(trial.trial_id, x)
        return float(trial.trial_id)

    def save_model(self, trial_id: str, model: float, step: int = 0) -> None:
        parts = Path(self.get_trial_dir(trial_id), "parts")
        parts.mkdir()
        # Of the names that a tuner itself gives, one in a folder of the user's, one where KerasTuner's users put it.
        (parts / "checkpoint.weights.h5").write_text(str(model))
        Path(self._get_checkpoint_fname(trial_id)).write_text("weights")

    def load_model(self, trial: Any) -> float:
        assert Path(self._get_checkpoint_fname(trial.trial_id)).read_text() == "weights"
        return float(Path(self.get_trial_dir(trial.trial_id), "parts", "checkpoint.weights.h5").read_text())


def values_of(tuner: CloudTuner, count: int) -> list[float]:
    return [trial.hyperparameters.values["x"] for trial in tuner.oracle.get_best_trials(count)]


@pytest.mark.parametrize("shared", [False, True])
def test_what_the_users_own_save_model_writes_reaches_other_machines(
    tune: Tune, study: Callable[[], Study], tmp_path: Path, shared: bool
) -> None:
    place = {"directory": f"file://{tmp_path}/shared"} if shared else {}
    one = tune(tuner=Own, **RANDOM, max_trials=3, keep_checkpoints=2, **place)
    one.search()
    assert one.get_best_models(2) == values_of(one, 2)
    sent = {f"{number}/{name}" for number in (1, 2) for name in ("checkpoint.weights.h5", "saved.zip")}
    if shared:
        assert {f"{path.parent.name[6:]}/{path.name}" for path in (tmp_path / "shared").rglob("*.*")} == sent
    else:
        assert {f"{artifact.trial}/{artifact.name}" for artifact in study().all_artifacts()} == sent
    other = tune(tuner=Own, **{"directory": tmp_path / "another machine", **place})
    assert other.get_best_models(2) == values_of(one, 2)
    best, _, third = other.oracle.get_best_trials(3)
    assert other.load_model(best) == values_of(one, 1)[0]
    with pytest.raises(FileNotFoundError):
        other.load_model(third)


def test_in_a_shared_directory_the_users_files_stay_as_they_are(tune: Tune, tmp_path: Path) -> None:
    tune(tuner=Own, **RANDOM, max_trials=1, upload=False).search()
    assert not list((tmp_path / "tuning").rglob("*.zip"))
    other = tune(tuner=Own, upload=False)
    assert other.get_best_models() == values_of(other, 1)


class Saves(CloudTuner):
    """As KerasTuner 1.0's guide: a loop of its own, which saves the model after each epoch."""

    losses = (3.0, 1.0, 2.0)
    with_step = True

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        model = self.make(trial.hyperparameters)
        for epoch, loss in enumerate(self.losses):
            model.set_weights([np.full(weight.shape, loss) for weight in model.get_weights()])
            if self.with_step:
                self.save_model(trial.trial_id, model, step=epoch)
                self.on_epoch_end(trial, model, epoch, {"loss": loss})
            else:
                self.save_model(trial.trial_id, model)
        assert self.load_model(trial).get_weights()[0].flat[0] in self.losses, "while it runs"
        return None if self.with_step else loss

    def make(self, hp: Any) -> keras.Model:
        model = build_fixed(hp) if self.hypermodel is None else self.hypermodel.build(hp)
        model.build((None, 4))
        return model


@pytest.mark.parametrize("hypermodel", [build_fixed, None], ids=["weights", "whole"])
@pytest.mark.parametrize(("with_step", "kept"), [(True, 1.0), (False, 2.0)], ids=["best-step", "last"])
def test_save_model_saves_and_load_model_finds_it_on_any_machine(
    tune: Tune, study: Callable[[], Study], tmp_path: Path, hypermodel: Any, with_step: bool, kept: float
) -> None:
    kind = type("Kind", (Saves,), {"with_step": with_step})
    tuner = tune(hypermodel, kind, objective="loss", max_trials=2)
    tuner.search()
    for where in ("tuning", "elsewhere"):
        (model, _) = tune(hypermodel, kind, objective="loss", directory=tmp_path / where).get_best_models(2)
        assert {float(value) for weight in model.get_weights() for value in weight.flat} == {kept}
    assert not list(tmp_path.rglob("saved-*"))
    names = {one.name for one in study().artifacts(1)}
    assert names == ({"model.keras"} if hypermodel is None else {"checkpoint.weights.h5", "build_config.json"})


def test_save_model_of_a_finished_trial_takes_the_place_of_its_weights(tune: Tune, tmp_path: Path) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, verbose=0)
    model = tuner.get_best_models()[0]
    model.set_weights([np.ones(weight.shape) for weight in model.get_weights()])
    tune(build_fixed, objective="val_loss", directory=tmp_path / "third").save_model("1", model)
    other = tune(build_fixed, objective="val_loss", directory=tmp_path / "other")
    assert {float(value) for value in other.get_best_models()[0].get_weights()[0].flat} == {1.0}


def test_save_model_in_a_hook_agrees_with_the_best_epoch(tune: Tune) -> None:
    class Hooks(CloudTuner):
        def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(trial, model, epoch, logs)
            self.save_model(trial.trial_id, model, step=epoch)

    tuner = tune(build_fixed, Hooks, objective=Objective("val_loss", "max"), max_trials=1)
    tuner.search(**DATA, epochs=3, verbose=0)
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(tuner.oracle.get_best_trials()[0].score)


@pytest.mark.parametrize("first", [True, False], ids=["before-the-end", "after-the-end"])
def test_save_model_when_a_trial_ends(tune: Tune, tmp_path: Path, first: bool) -> None:
    class Ends(Saves):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            self.model = self.make(trial.hyperparameters)
            self.model.set_weights([np.full(weight.shape, 7.0) for weight in self.model.get_weights()])
            return 1.0

        def on_trial_end(self, trial: Any) -> None:
            steps = [lambda: self.save_model(trial.trial_id, self.model), lambda: super(Ends, self).on_trial_end(trial)]
            for step in steps if first else reversed(steps):
                step()

    tune(build_fixed, Ends, objective="loss", max_trials=1).search()
    (model,) = tune(build_fixed, Ends, objective="loss", directory=tmp_path / "elsewhere").get_best_models()
    assert {float(value) for value in model.get_weights()[0].flat} == {7.0}


def test_what_is_no_keras_model_is_not_saved(tune: Tune) -> None:
    with pytest.raises(TypeError, match=r"model is a tuple, not a keras\.Model; override save_model and load_model"):
        tune(build_fixed, objective="val_loss").save_model("1", (1, 2))
