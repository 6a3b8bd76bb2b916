"""Figures of parameters: results by their values, how much each matters, and where the best values are."""
