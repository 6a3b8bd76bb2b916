"""Registers the misbehaving algorithm; a pool of processes imports this module."""

from __future__ import annotations

from dodona_server.algorithms.registry import ALGORITHMS
from tests.support.misbehaving import Misbehaving

ALGORITHMS["SKOPT_GBRT"] = Misbehaving()
