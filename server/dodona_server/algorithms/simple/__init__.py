"""Algorithms that learn nothing: random, quasi-random and grid search."""
