"""The processes that fit models, and the threads that communicate with them."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from dodona_server.service.computing.pool import FittingPool
from dodona_server.storage.schema.opening import open_store
from tests.support.patience import patience


@pytest.mark.processes
@pytest.mark.parametrize("later", [0.0, 0.001, 0.01])
def test_a_pool_that_is_closed_while_a_process_starts_leaves_no_thread(tmp_path: Path, later: float) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    pool = FittingPool(store, 1)
    (process,) = pool._processes
    pool.start_one()
    end = time.monotonic() + patience(30)
    while process._process_id is None:
        assert time.monotonic() < end
    time.sleep(later)
    pool.close()
    # They take the descriptors that were closed: a thread that still polls one of these would wait for nothing.
    pipes = [os.pipe() for _ in range(8)]
    for thread in process._thread._threads:
        thread.join(patience(30))
        assert not thread.is_alive()
    for end_of_pipe in itertools.chain(*pipes):
        os.close(end_of_pipe)
    store.close()
