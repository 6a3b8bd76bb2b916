"""Use cases of trials."""
