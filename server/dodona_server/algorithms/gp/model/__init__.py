"""Gaussian processes: of results, of durations, of earlier studies."""
