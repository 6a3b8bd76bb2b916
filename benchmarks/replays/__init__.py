"""Replays of stored learning curves under policies that stop, pause and continue trials; see `early_stopping.py`."""
