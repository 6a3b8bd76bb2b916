"""Figures of trials: results, learning curves, fronts, and which worker held which trial."""
