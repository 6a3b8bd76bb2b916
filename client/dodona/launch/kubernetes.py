"""Kubernetes: one elastic Indexed Job, whose pods are the workers."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Collection
from typing import Any, ClassVar

from dodona.launch.launcher import BackendFailed, Job, counted

# How often a pod of one index may fail by itself; a lost node or a preemption does not count.
FAILURES_PER_INDEX = 3
# Between SIGTERM and SIGKILL, beyond the worker's own grace.
MARGIN_SECONDS = 10
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


class KubernetesLauncher:
    """Workers in the pods of one Job, which grows and shrinks; a pod that is replaced keeps its index.

    Args:
        job: what to run; its script is in the image.
        image: has Python, dodona[keras] and the script.
        url: the server's address, as pods reach it.
        token_secret: the Secret whose key "token" is the server's token; None for a server without one.
    """

    poll_seconds: ClassVar[float] = 2.0
    # A Job that shrinks loses the pods with the highest indexes.
    last_first: ClassVar[bool] = True
    outlives: ClassVar[bool] = True

    def __init__(self, job: Job, image: str, url: str, token_secret: str | None) -> None:
        self._job = job
        self._image = image
        self._url = url
        self._token_secret = token_secret
        self._name = ""
        # The Job's size, and the indexes of it whose pods have ended.
        self._size = 0
        self._ended: set[int] = set()

    def dry_run(self, count: int) -> str:
        """Return what `start` would create."""
        return manifest_of(self._job, count, image=self._image, url=self._url, token_secret=self._token_secret)

    def start(self, count: int) -> None:
        """See `Launcher`."""
        if self._name:
            self._resize(self._size + count)
            return
        answer = _kubectl(["create", "--filename=-", "--output=name"], self.dry_run(count))
        self._name = answer.strip().rpartition("/")[2]
        self._size = count

    def stop(self, names: Collection[str], *, now: bool = False) -> None:  # noqa: ARG002 - Kubernetes gives the pods their grace period
        """See `Launcher`."""
        self._resize(min(int(name.removeprefix(f"{self._name}-").removesuffix("-1")) for name in names))

    def alive(self) -> list[str]:
        """See `Launcher`."""
        if not self._size:
            return []
        try:
            status = json.loads(_kubectl(["get", "job", self._name, "--output=json"]))["status"]
        except BackendFailed as error:
            if "NotFound" in str(error):
                return []
        else:
            self._ended = indexes(status.get("completedIndexes", "")) | indexes(status.get("failedIndexes", ""))
        # `dodona run` in the pod adds its number.
        return [f"{self._name}-{index}-1" for index in range(self._size) if index not in self._ended]

    def logs(self) -> str:
        """See `Launcher`."""
        watch, end = f"kubectl logs --follow --selector job-name={self._name}", f"kubectl delete job {self._name}"
        workers = counted(self._size)
        return f"job {self._name}: {workers}; their output: {watch}; to end them: {end}"

    def _resize(self, size: int) -> None:
        # Kubernetes changes both together, or neither. A Job without completions would be complete.
        spec = {"completions": size, "parallelism": size} if size else {"parallelism": 0}
        patch = json.dumps({"spec": spec})
        _kubectl(["patch", "job", self._name, "--type=merge", f"--patch={patch}"])
        self._size = size


def indexes(text: str) -> set[int]:
    """Return the indexes that Kubernetes writes as in "1,3-5"."""
    parts = [part.partition("-") for part in text.split(",") if part]
    return {index for first, _, last in parts for index in range(int(first), int(last or first) + 1)}


def manifest_of(job: Job, workers: int, *, image: str, url: str, token_secret: str | None) -> str:
    """Return the manifest of the Job, as JSON.

    A pod that is replaced has the same index, so the worker keeps its name and gets its trial back. A pod that is
    evicted does not count as failed.

    Args:
        job: what to run; its script is in the image.
        workers: how many.
        image: has Python, dodona[keras] and the script.
        url: the server's address, as pods reach it.
        token_secret: the Secret whose key "token" is the server's token; None for a server without one.
    """
    limits = {"nvidia.com/gpu": f"{job.gpus:g}"} if job.gpus else {}
    requests = {"cpu": str(job.cpus)} if job.cpus is not None else {}
    worker = {
        "name": "worker",
        "image": image,
        "command": ["python", *job.worker_command],
        "env": _environment(url, token_secret),
        "resources": {"limits": limits, "requests": requests},
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(job.grace) + MARGIN_SECONDS,
        "containers": [worker],
    }
    spec = {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        "backoffLimitPerIndex": FAILURES_PER_INDEX,
        # Two pods of one index would be two workers of one name.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "template": {"metadata": {"labels": {"app.kubernetes.io/name": "dodona-worker"}}, "spec": pod},
    }
    # Kubernetes adds five random characters, so that the same command can run again.
    metadata = {"generateName": f"{job.name}-", "labels": {"app.kubernetes.io/name": "dodona-worker"}}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    return json.dumps(manifest, indent=2)


def _environment(url: str, token_secret: str | None) -> list[dict[str, Any]]:
    variables: list[dict[str, Any]] = [
        {"name": "DODONA_URL", "value": url},
        {"name": "JOB", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}},
        {"name": "INDEX", "valueFrom": {"fieldRef": {"fieldPath": INDEX}}},
        {"name": "DODONA_WORKER", "value": "$(JOB)-$(INDEX)"},
    ]
    if token_secret is not None:
        secret = {"name": token_secret, "key": "token"}
        variables.append({"name": "DODONA_TOKEN", "valueFrom": {"secretKeyRef": secret}})
    return variables


def _kubectl(arguments: list[str], text: str | None = None) -> str:
    """Run kubectl in its current context and namespace; return its output.

    Raises:
        BackendFailed: there is no kubectl, or the cluster refused.
    """
    command = ["kubectl", *arguments]
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except FileNotFoundError:
        raise BackendFailed("there is no kubectl on this machine; --dry-run prints the manifest") from None
    except subprocess.CalledProcessError as error:
        raise BackendFailed(f"the cluster refused to {arguments[0]} the Job: {error.stderr.strip()}") from None
