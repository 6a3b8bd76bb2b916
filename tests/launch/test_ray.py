"""`dodona run --backend ray` on a real cluster of two nodes on this machine, one of which is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

import dodona
from tests.commands.test_run import PATIENCE_SECONDS, SCRIPT, both_are_busy, trials_once
from tests.support.processes import environment

pytestmark = [pytest.mark.processes, pytest.mark.slow]

# The least that Ray allows, in bytes.
STORE = 78_643_200
# A busy machine may need longer than the 30 seconds that Ray waits for a node.
TRIES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes, besides the head, which runs nothing itself. A test leaves as many."""
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    made = tried(lambda: Cluster(initialize_head=True, head_node_args=head))
    for _ in range(2):
        add_node(made)
    yield made
    made.shutdown()


def tried(start: Any) -> Any:
    """What `start` returns; it is tried again if Ray's processes do not answer in time."""
    for left in reversed(range(TRIES)):
        try:
            return start()
        except Exception:
            if not left:
                raise
    raise AssertionError


def add_node(cluster: Any) -> Any:
    """A further node with one core."""
    return tried(lambda: cluster.add_node(num_cpus=1, object_store_memory=STORE))


def command(folder: Path, url: str, address: str, *arguments: str) -> subprocess.Popen[str]:
    variables = environment(DODONA_URL=url, DODONA_WORKER="w", PYTHONPATH=os.pathsep.join(sys.path))
    run = [sys.executable, "-m", "dodona", "run", "--backend", "ray", "--ray-address", address, *arguments]
    return subprocess.Popen(run, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_worker_of_a_killed_node_goes_on_elsewhere(cluster: Any, tmp_path: Path, server_url: str) -> None:
    running = command(tmp_path, server_url, cluster.address, "--workers", "2", str(SCRIPT), "", "2")
    trials_once(server_url, both_are_busy)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    add_node(cluster)
    said, complained = running.communicate(timeout=4 * PATIENCE_SECONDS)
    assert running.returncode == 0, said + complained
    with dodona.Client(server_url) as client:
        trials = client.get_study("parabola").trials()
    assert Counter(one.state for one in trials) == {"SUCCEEDED": 6}
    assert {one.worker for one in trials} == {"w-1", "w-2"}
    # Ray leaves lines out that are like others, and those of the killed node are lost with it.
    assert "in process" in said, "the workers' output comes here"


def test_the_wanted_workers_are_followed_and_a_signal_hands_trials_back(
    cluster: Any, tmp_path: Path, server_url: str
) -> None:
    options = ("--workers", "1:2", "--study", "parabola", str(SCRIPT), "", "3")
    running = command(tmp_path, server_url, cluster.address, *options)
    trials_once(server_url, both_are_busy)
    with dodona.Client(server_url) as client:
        client.get_study("parabola").set_wanted_workers(1)
    trials_once(server_url, lambda trials: any(one.state == "REQUESTED" for one in trials))
    running.terminate()
    said, complained = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 143, said + complained
    assert "2 workers, 1 wanted: stopping w-" in said
    trials = trials_once(server_url, lambda trials: all(one.state != "ACTIVE" for one in trials))
    assert any(one.state == "REQUESTED" for one in trials)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    running = command(tmp_path, "http://127.0.0.1:9", "127.0.0.1:9", str(SCRIPT))
    _, complained = running.communicate(timeout=4 * PATIENCE_SECONDS)
    assert running.returncode == 1
    assert complained.splitlines()[-1].startswith("dodona: no Ray cluster 127.0.0.1:9: ")


def test_a_dry_run_prints_the_tasks(tmp_path: Path) -> None:
    options = ("--workers", "2", "--gpus-per-worker", "0.5", "--dry-run", str(SCRIPT), "", "1")
    said, _ = command(tmp_path, "http://127.0.0.1:9", "auto", *options).communicate(timeout=PATIENCE_SECONDS)
    first, *rest = said.splitlines()
    assert first == "2 tasks: num_gpus=0.5 num_cpus=1 max_retries=-1"
    assert rest == [f"DODONA_WORKER=w-{number} python {SCRIPT} '' 1" for number in (1, 2)]
