"""Acquisition functions, and the search for the best point."""
