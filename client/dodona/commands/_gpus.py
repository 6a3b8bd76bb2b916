"""The GPUs of this machine, and their distribution to the workers."""

from __future__ import annotations

import math
import os
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
# The share of a GPU's memory that workers get together; the driver and the libraries take the rest.
USABLE = 0.9
# So that three workers of 0.333 share a GPU.
TOLERANCE = 0.01


class TooFewGpus(Exception):
    """There are fewer GPUs than the workers need."""


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
    gpus, source = _gpus()
    on_each = max(1, math.floor(1 / each + TOLERANCE))
    needed = math.ceil(workers / on_each) * max(1, int(each))
    if len(gpus) < needed:
        raise TooFewGpus(
            f"{workers} workers with {each:g} GPUs each need {needed}, but {source} {len(gpus)}: "
            f"{', '.join(gpus) or 'none'}"
        )
    # nvidia-smi counts in this order; CUDA's default order is by speed.
    order = {"CUDA_DEVICE_ORDER": os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}
    if each < 1:
        return [order | {VISIBLE: gpus[index // on_each]} | _of_part(on_each) for index in range(workers)]
    step = int(each)
    return [order | {VISIBLE: ",".join(gpus[first : first + step])} for first in range(0, workers * step, step)]


def _of_part(workers: int) -> dict[str, str]:
    """Return what makes TensorFlow and JAX leave the memory of a GPU to the other workers on it.

    By default, each of them takes all memory, or three quarters of it, when it starts. PyTorch takes what it needs.
    """
    variables = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{USABLE / workers:.3f}"}
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def _gpus() -> tuple[list[str], str]:
    """Return the available GPUs by CUDA's names, and their source for the error."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()], f"{VISIBLE} names"
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - no input
    except FileNotFoundError as error:
        raise TooFewGpus("no GPU was found: there is no nvidia-smi on this machine") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise TooFewGpus(f"no GPU was found: {error}: {(error.stderr or error.stdout or '')!s}".strip()) from error
    return listed.stdout.split(), "nvidia-smi lists"
