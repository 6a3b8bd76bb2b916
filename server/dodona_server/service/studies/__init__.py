"""Use cases of studies."""
