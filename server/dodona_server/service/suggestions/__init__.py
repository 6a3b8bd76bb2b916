"""Suggestions: trials assigned to workers that ask for them."""
