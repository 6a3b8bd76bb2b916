"""Learning curves for `early_stopping.py`: a table of real trainings, the scripts that made it, and synthetic curves."""
