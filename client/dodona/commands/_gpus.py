"""The GPUs of this machine, and their distribution to the workers."""

from __future__ import annotations

import os
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"


class TooFewGpus(Exception):
    """There are fewer GPUs than the workers need."""


def shares(workers: int, each: int | None) -> list[dict[str, str]]:
    """Return the environment variables that give each worker its GPUs.

    Args:
        workers: how many workers there are.
        each: how many GPUs each worker has; 0 for none, None to leave it to the environment.

    Raises:
        TooFewGpus: there are fewer.
    """
    if each is None:
        return [{} for _ in range(workers)]
    if each == 0:
        return [{VISIBLE: ""} for _ in range(workers)]
    gpus, source = _gpus()
    if len(gpus) < workers * each:
        raise TooFewGpus(
            f"{workers} workers with {each} GPUs each need {workers * each}, but {source} {len(gpus)}: "
            f"{', '.join(gpus) or 'none'}"
        )
    # nvidia-smi counts in this order; CUDA's default order is by speed.
    order = {"CUDA_DEVICE_ORDER": os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}
    return [order | {VISIBLE: ",".join(gpus[first : first + each])} for first in range(0, workers * each, each)]


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
