"""Kubernetes: one Indexed Job, whose pods are the workers."""

from __future__ import annotations

import json
import math
import subprocess
from typing import Any

from dodona.commands._backends.job import BackendFailed, Job

# How often a pod of one index may fail by itself; a lost node or a preemption does not count.
FAILURES_PER_INDEX = 3
# Between SIGTERM and SIGKILL, beyond the worker's own grace.
MARGIN_SECONDS = 10
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def manifest_of(job: Job, *, image: str, url: str, token_secret: str | None) -> str:
    """Return the manifest of the Job, as JSON.

    A pod that is replaced has the same index, so the worker keeps its name and gets its trial back. A pod that is
    evicted does not count as failed.

    Args:
        job: what to run; its script is in the image.
        image: has Python, dodona[keras] and the script.
        url: the server's address, as pods reach it.
        token_secret: the Secret whose key "token" is the server's token; None for a server without one.
    """
    limits = {"nvidia.com/gpu": str(job.gpus)} if job.gpus else {}
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
        "completions": job.workers,
        "parallelism": job.workers,
        "backoffLimitPerIndex": FAILURES_PER_INDEX,
        "maxFailedIndexes": job.workers,
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


def submit(manifest: str) -> str:
    """Create the Job in the current context and namespace of kubectl; return its name.

    Raises:
        BackendFailed: there is no kubectl, or the cluster refused the Job.
    """
    command = ["kubectl", "create", "--filename=-", "--output=name"]
    try:
        done = subprocess.run(command, input=manifest, capture_output=True, text=True, check=True)  # noqa: S603
    except FileNotFoundError:
        raise BackendFailed("there is no kubectl on this machine; --dry-run prints the manifest") from None
    except subprocess.CalledProcessError as error:
        raise BackendFailed(f"the cluster refused the Job: {error.stderr.strip()}") from None
    return done.stdout.strip().rpartition("/")[2]
