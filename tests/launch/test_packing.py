"""How many workers share a GPU: the policy alone, and `dodona run` with a stand-in for nvidia-smi."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dodona
from dodona.launch.gpus import Memory, TooFewGpus, memory_of, mps_runs
from dodona.launch.packing import PAYS, Packing, Progress
from tests.commands.test_run import Run

TOTAL = 16_000


class Machine:
    """GPUs whose workers need some memory each, and that are busy with `useful` of them.

    Args:
        gpus: how many.
        need: the memory of each worker, in MiB.
        useful: from how many workers on a GPU on it is no faster.
    """

    def __init__(self, gpus: int, need: int, useful: int) -> None:
        self.gpus, self.need, self.useful = gpus, need, useful
        self.time = 0.0
        self.done: dict[str, float] = {}
        self.most_used = 0

    def run(self, packing: Packing, looks: int = 200) -> int:
        """Run as many workers as there is room for, and return the last number of them."""
        for _ in range(looks):
            self.time += 3.0
            names = [f"w-{number}" for number in range(packing.room)]
            on_each = -(-len(names) // self.gpus)
            for name in names:
                self.done[name] = self.done.get(name, 0.0) + min(1.0, self.useful / on_each)
            used = self.need * on_each
            self.most_used = max(self.most_used, used)
            progress = {name: Progress(int(self.done[name]), int(1000 * self.done[name])) for name in names}
            packing.see(self.time, [Memory(used, TOTAL)] * self.gpus, progress)
        return packing.room


@pytest.mark.parametrize(
    ("need", "useful", "room"),
    [(500, 100, 16), (500, 4, 4), (500, 1, 1), (3000, 100, 4), (9000, 100, 1)],
)
def test_workers_are_added_while_there_is_memory_and_it_pays(need: int, useful: int, room: int) -> None:
    packing = Packing(1, 16)
    assert Machine(1, need, useful).run(packing) == room
    assert packing.settled


@given(st.integers(1, 4), st.integers(100, 20_000), st.integers(1, 20), st.integers(1, 64))
def test_memory_is_never_planned_away_and_it_settles(gpus: int, need: int, useful: int, most: int) -> None:
    machine, packing = Machine(gpus, need, useful), Packing(gpus, most)
    room = machine.run(packing)
    assert packing.settled
    assert min(gpus, most) <= room <= most
    assert machine.most_used <= max(need, 0.9 * TOTAL)
    on_each = -(-room // gpus)
    assert on_each < PAYS * 2 * useful * 1.01, "the last step was worth it"


@given(st.integers(1, 4), st.integers(1, 64), st.lists(st.booleans(), max_size=40))
def test_a_lack_of_memory_takes_one_away_for_good(gpus: int, most: int, lacks: list[bool]) -> None:
    machine, packing = Machine(gpus, 100, 100), Packing(gpus, most)
    lacked = False
    for lack in lacks:
        before = packing.room
        if lack:
            lacked = True
            packing.out_of_memory()
            assert packing.room == max(min(gpus, before), before - 1)
        else:
            machine.run(packing, looks=9)
            assert packing.room == before if lacked else packing.room >= before
    assert packing.alone == (packing.settled and packing.room <= gpus)


def test_a_given_number_does_not_grow_but_shrinks() -> None:
    packing = Packing(1, 4, room=4, grows=False)
    assert Machine(1, 100, 100).run(packing) == 4
    packing.out_of_memory()
    assert (packing.room, packing.alone) == (3, False)


NVIDIA_SMI = """#!/bin/sh
case "$*" in
  "--query-gpu=index --format=csv,noheader") echo 0 ;;
  "--query-gpu=index,uuid,memory.used,memory.total --format=csv,noheader,nounits") printf "%s" "$MEMORY" ;;
  *) exit 1 ;;
esac
"""
ONE_GPU = "0, GPU-8f, 900, 16000\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path that begins with an nvidia-smi."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(NVIDIA_SMI)
    tool.chmod(0o755)
    return f"{tool.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.processes
def test_the_memory_is_read_by_number_and_by_uuid(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("MEMORY", ONE_GPU + "1, GPU-9a, 5, 8000\n")
    assert memory_of(["GPU-9a", "0"]) == [Memory(5, 8000), Memory(900, 16_000)]
    with pytest.raises(TooFewGpus, match="does not report the memory of the GPUs 2"):
        memory_of(["2"])
    monkeypatch.setenv("MEMORY", "0, GPU-8f, [N/A], [N/A]\n")
    with pytest.raises(TooFewGpus, match="N/A"):
        memory_of(["0"])


def test_mps_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert not mps_runs()
    (tmp_path / "control").touch()
    assert mps_runs()


@pytest.fixture
def run(tmp_path: Path, server_url: str, path: str) -> Callable[..., Run]:
    return lambda *arguments, **variables: Run(tmp_path, server_url, *map(str, arguments), PATH=path, **variables)


SLEEPS = """
import time
import dodona

study = dodona.Client().create_study("parabola", {"x": dodona.Float(-1, 1)}, goal="minimize", max_trials=120)
while True:
    try:
        trial = study.ask()
    except dodona.StudyCompleted:
        break
    with trial:
        for step in (1, 2):
            time.sleep(0.4)
            trial.report(trial.parameters["x"] ** 2, step)
"""


@pytest.mark.slow
@pytest.mark.processes
def test_workers_are_added_on_a_gpu_that_has_room(run: Callable[..., Run], tmp_path: Path) -> None:
    script = tmp_path / "sleeps.py"
    script.write_text(SLEEPS)
    code, said, complained = run("--workers", 4, "--gpus-per-worker", "auto", script, MEMORY=ONE_GPU).end()
    assert (code, complained) == (0, "")
    assert said.startswith("w-1: CUDA_VISIBLE_DEVICES=0\n")
    assert "room for 2 workers on 1 GPU\n" in said
    assert "1 worker, 2 wanted: starting 1\n" in said


LACKS = """
import os, sys
sys.modules |= {"tensorflow": None, "sklearn": None}  # importing them takes seconds
import dodona.keras

class Tuner(dodona.keras.Tuner):
    def run_trial(self, trial):
        if os.environ.get("DODONA_GPU_SHARED"):
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 GiB")
        return trial.hyperparameters.Float("x", 0.0, 1.0)

Tuner(study_id="parabola", max_trials=3).search()
"""


@pytest.mark.slow
@pytest.mark.processes
def test_a_trial_that_lacks_memory_beside_others_is_given_back(
    run: Callable[..., Run], tmp_path: Path, server_url: str
) -> None:
    script = tmp_path / "lacks.py"
    script.write_text(LACKS)
    variables = {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": "0"}
    running = run("--workers", 2, "--gpus-per-worker", 0.5, script, **variables)
    code, said, complained = running.end()
    assert (code, complained) == (0, "")
    assert "ran out of memory and gave its trial back; room for 1 worker\n" in said
    assert "is released, because others use the GPU too: RuntimeError: RESOURCE_EXHAUSTED" in running.log(1)
    with dodona.Client(server_url) as client:
        assert [one.state for one in client.get_study("parabola").trials()] == ["SUCCEEDED"] * 3


def test_pytorch_is_kept_to_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from dodona.keras._process.shared_gpu import limit_memory

    kept: list[tuple[float, int]] = []
    torch, cuda = ModuleType("torch"), ModuleType("torch.cuda")
    cuda.is_available = lambda: True
    cuda.device_count = lambda: 2
    cuda.set_per_process_memory_fraction = lambda part, device: kept.append((part, device))
    torch.cuda = cuda
    monkeypatch.setitem(sys.modules, "torch", torch)
    limit_memory()
    assert kept == []
    monkeypatch.setenv("DODONA_GPU_PART", "0.225")
    limit_memory()
    assert kept == [(0.225, 0), (0.225, 1)]


@pytest.mark.processes
def test_auto_needs_a_gpu_of_this_machine(run: Callable[..., Run], tmp_path: Path) -> None:
    script = tmp_path / "sleeps.py"
    script.write_text(SLEEPS)
    code, _, complained = run("--gpus-per-worker", "auto", script, CUDA_VISIBLE_DEVICES="").end()
    assert (code, complained) == (2, "dodona: --gpus-per-worker auto: no GPU was found\n")
    code, _, complained = run("--gpus-per-worker", "auto", "--backend", "slurm", script).end()
    assert code == 2
    assert "slurm needs a number" in complained
