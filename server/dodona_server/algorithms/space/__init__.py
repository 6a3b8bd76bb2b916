"""The search space as algorithms need it."""
