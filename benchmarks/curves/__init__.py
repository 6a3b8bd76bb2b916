"""Learning curves for `early_stopping.py`: a table of real trainings with its scripts, and synthetic curves."""
