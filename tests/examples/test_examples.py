"""Every example runs as it stands, and finds something; `digits.py` and `ask_tell.py` run in tests of their own."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from dodona import Client, Study
from tests.support.patience import patience
from tests.support.processes import environment

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXAMPLES = Path(__file__).parents[2] / "examples"

# With the study that it makes, and the accuracy that its best trial must reach.
SCRIPTS = {
    "custom_loop.py": ("custom-loop", 4, 0.6),
    "dataset.py": ("dataset", 4, 0.6),
    "anything.py": ("anything", 10, 0.9),
    "sklearn_models.py": ("sklearn", 8, 0.8),
    "hyperband.py": ("hyperband", None, 0.6),
    "early_stopping.py": ("early-stopping", 8, 0.8),
    "lora.py": ("lora", 4, 0.6),
}
# Packages that an example needs and `dodona[dev]` does not bring.
NEEDED = {"lora.py": "keras_hub"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DODONA_URL", server_url)
    monkeypatch.syspath_prepend(str(EXAMPLES))


def run(script: str, *arguments: str) -> None:
    """Runs an example in this process, which has imported TensorFlow already."""
    before = sys.argv
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    finally:
        sys.argv = before


def study_of(name: str) -> Study:
    return Client().get_study(name)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    if script in NEEDED:
        pytest.importorskip(NEEDED[script], reason="make installs keras-hub, without what it requires")
    run(script)
    name, trials, accuracy = SCRIPTS[script]
    study = study_of(name)
    states = [trial.state for trial in study.trials()]
    assert study.state == "COMPLETED"
    assert set(states) == {"SUCCEEDED"}
    if trials is not None:
        assert len(states) == trials
    best = study.best_trial
    assert best is not None
    assert best.metrics[next(iter(study.metrics))] > accuracy
    assert f"Trial {best.number} summary" in capsys.readouterr().out


def test_a_fraction_of_the_data_as_fidelity(capsys: pytest.CaptureFixture[str]) -> None:
    run("fidelity.py")
    study = study_of("fidelity")
    trials = study.trials()
    assert [trial.state for trial in trials] == ["SUCCEEDED"] * 40
    fractions = [round(trial.parameters["fraction"], 6) for trial in trials]
    assert set(fractions) <= {0.1, 0.3, 0.9, 1.0}
    assert fractions.count(0.1) > len(trials) / 2
    best = study.best_trial
    assert best is not None
    assert best.metrics["accuracy"] > 0.9
    assert best.parameters["fraction"] > 0.1
    assert "40 trials used the data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "package", "reason"),
    [
        ("jax_loop.py", "jax", ""),
        (
            "pytorch_loop.py",
            "torch",
            "the index of packages has PyTorch for Linux with CUDA only, which takes gigabytes",
        ),
    ],
)
def test_a_loop_of_another_framework(
    script: str, package: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(package, reason=reason or None)
    run(script)
    study = study_of(script.removesuffix(".py").replace("_", "-"))
    best = study.best_trial
    assert best is not None
    assert best.metrics["accuracy"] > 0.9
    assert {trial.state for trial in study.trials()} == {"SUCCEEDED"}
    assert str(best) in capsys.readouterr().out


def test_resuming(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="interrupted; trial 2 waits for the next worker: start this again"):
        run("resume.py", "--interrupt")
    assert [trial.state for trial in study_of("resume").trials()] == ["SUCCEEDED", "REQUESTED"]
    run("resume.py")
    assert capsys.readouterr().out.count("of 3 trials are still to be begun") == 2
    trials = study_of("resume").trials()
    assert [trial.state for trial in trials] == ["SUCCEEDED"] * 3
    assert [one.step for one in trials[1].measurements] == [1, 2]


@pytest.mark.slow
def test_several_gpus(tmp_path: Path, server_url: str) -> None:
    command = ["run", "--workers", "2", "--gpus-per-worker", "0", str(EXAMPLES / "several_gpus.py")]
    ended = subprocess.run(
        [sys.executable, "-m", "dodona", *command],
        env=environment(DODONA_URL=server_url, DODONA_WORKER="w", TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=patience(200),
    )
    logs = [(tmp_path / "dodona-logs" / f"w-{number}.log").read_text() for number in (1, 2)]
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for number, log in enumerate(logs, 1):
        assert f"w-{number} sees 0 GPUs\n" in log
    trials = study_of("several-gpus").trials()
    assert [trial.state for trial in trials] == ["SUCCEEDED"] * 4
    assert ended.stdout.splitlines()[-1].startswith("study several-gpus: 4 trials finished here of at most 4; best ")


@pytest.mark.slow
def test_the_notebook(server_url: str, tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=round(patience(200)), kernel_name="python3", resources=resources).execute()
    study = study_of("notebook")
    best = study.best_trial
    assert study.state == "COMPLETED"
    assert best is not None
    search, summary, history, slices, accuracy = [cell.outputs for cell in notebook.cells[3:]]
    (progress,) = [output.data for output in search if output.output_type == "display_data"]
    words = re.sub(r"\s+", " ", progress["text/plain"])
    found = rf"best {best.metrics['val_accuracy']:.5g} \(trial {best.number}\)"
    assert re.search(rf"study notebook \S+ trial 3/3 .*{found} this worker 3 trials {found}", words)
    assert "text/html" in progress
    printed = "".join(output.text for output in search if output.get("name") == "stdout")
    assert len(re.findall(r"^trial \d/3  val_accuracy 0\.", printed, re.MULTILINE)) == 3
    assert "ms/step" not in printed
    assert f"Trial {best.number} summary" in summary[0].text
    for figure in (history, slices):
        assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in figure)
    (value,) = [output.data["text/plain"] for output in accuracy if output.output_type == "execute_result"]
    assert float(value) > 0.3
