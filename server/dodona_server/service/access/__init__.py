"""Who makes a request, and what administrators do about it."""
