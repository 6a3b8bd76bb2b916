"""GPUs of this machine, their memory, and their distribution to the workers."""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dodona._trials.hardware import COUNT, VISIBLE

# A worker with it gives its trial back when it runs out of memory, since others take memory of its GPU too.
SHARED = "DODONA_GPU_SHARED"
# The part of a GPU's memory that a worker may use.
PART = "DODONA_GPU_PART"
# The share of a GPU's memory that workers get together; the driver and the libraries take the rest.
USABLE = 0.9
# So that three workers of 0.333 share a GPU.
TOLERANCE = 0.01


class TooFewGpus(Exception):
    """There are fewer GPUs than the workers need, or they cannot be asked."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a GPU, in MiB."""

    used: int
    total: int


def shares(workers: int, each: float | None) -> list[dict[str, str]]:
    """Return the environment variables that give each worker its GPUs, or its part of one.

    Args:
        workers: how many workers there are.
        each: how many GPUs each worker has: a whole number or a part of one, 0 for none; None to leave it to the
            environment.

    Raises:
        TooFewGpus: there are fewer, or the number is neither whole nor a part of one.
    """
    if each is None:
        return [{} for _ in range(workers)]
    if each == 0:
        return [{VISIBLE: ""} for _ in range(workers)]
    if each > 1 and each != int(each):
        raise TooFewGpus("write a whole number, or less than 1 for workers that share a GPU")
    gpus, source = gpus_here()
    on_each = max(1, math.floor(1 / each + TOLERANCE))
    needed = math.ceil(workers / on_each) * max(1, int(each))
    if len(gpus) < needed:
        raise TooFewGpus(
            f"{workers} workers with {each:g} GPUs each need {needed}, but {source} {len(gpus)}: "
            f"{', '.join(gpus) or 'none'}"
        )
    if each < 1:
        return [seen(gpus[index // on_each]) | of_part(on_each) for index in range(workers)]
    step = int(each)
    return [seen(",".join(gpus[first : first + step])) for first in range(0, workers * step, step)]


def seen(gpus: str) -> dict[str, str]:
    """Return the variables that let a worker see these GPUs only."""
    # nvidia-smi counts in this order; CUDA's default order is by speed.
    return {"CUDA_DEVICE_ORDER": os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), VISIBLE: gpus}


def of_part(workers: int) -> dict[str, str]:
    """Return what makes each backend leave the memory of a GPU to the other workers on it, and what counts its part.

    By default, TensorFlow and JAX take all memory, or three quarters of it, when they start. PyTorch takes what it
    needs; `dodona.keras` limits it to its part.

    Args:
        workers: how many share the GPU.
    """
    part = f"{USABLE / workers:.3f}"
    variables = {
        COUNT: f"{1 / workers:.3g}",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": part,
        PART: part,
    }
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def of_any_number() -> dict[str, str]:
    """Return what makes each backend take memory only as it needs it, since nobody knows yet how many share a GPU."""
    variables = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def gpus_here() -> tuple[list[str], str]:
    """Return the available GPUs by CUDA's names, and their source for the error.

    Raises:
        TooFewGpus: nvidia-smi cannot list them.
    """
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()], f"{VISIBLE} names"
    return _asked("index").split(), "nvidia-smi lists"


def memory_of(gpus: list[str]) -> list[Memory]:
    """Return the memory of the GPUs, which are named by their number or their UUID.

    Raises:
        TooFewGpus: nvidia-smi does not say.
    """
    rows = [
        [cell.strip() for cell in line.split(",")]
        for line in _asked("index,uuid,memory.used,memory.total").splitlines()
    ]
    try:
        known = {name: Memory(int(used), int(total)) for index, uuid, used, total in rows for name in (index, uuid)}
        return [known[gpu] for gpu in gpus]
    except (KeyError, ValueError) as error:
        raise TooFewGpus(f"nvidia-smi does not report the memory of the GPUs {', '.join(gpus)}: {error}") from error


def mps_runs() -> bool:
    """Return whether NVIDIA's Multi-Process Service runs, by which processes use a GPU at the same time."""
    pipes = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")  # noqa: S108 - NVIDIA's own default  # nosec B108
    return (Path(pipes) / "control").exists()


def _asked(fields: str) -> str:
    units = ",nounits" if "memory" in fields else ""
    command = ["nvidia-smi", f"--query-gpu={fields}", f"--format=csv,noheader{units}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603 - no input
    except FileNotFoundError as error:
        raise TooFewGpus("no GPU was found: there is no nvidia-smi on this machine") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise TooFewGpus(f"no GPU was found: {error}: {(error.stderr or error.stdout or '')!s}".strip()) from error
