"""Hyperband."""
