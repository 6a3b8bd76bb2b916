"""Artifacts: their rows, and their bytes."""
