"""Trials: their states, curves and lists."""
