"""Trials, and what keeps them alive."""
