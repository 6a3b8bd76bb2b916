"""GPUs of this process."""

from __future__ import annotations

import glob
import os

COUNT = "DODONA_GPUS"
VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus() -> float:
    """Return how many GPUs this process may use, a part of one if it shares it; 0 for none.

    DODONA_GPUS says it; else CUDA_VISIBLE_DEVICES, else the devices of NVIDIA's driver.

    Raises:
        ValueError: DODONA_GPUS is no number from 0 on.
    """
    told = os.environ.get(COUNT)
    if told:
        try:
            count = float(told)
        except ValueError:
            count = -1.0
        if not 0 <= count < 10_000:
            raise ValueError(f"{COUNT}={told!r} is not a number of GPUs; write 1, 4 or 0.25")
        return count
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        named = [one for one in visible.split(",") if one.strip()]
        # -1 hides all that follow.
        return float(named.index("-1") if "-1" in named else len(named))
    return float(len(glob.glob("/dev/nvidia[0-9]*")))
