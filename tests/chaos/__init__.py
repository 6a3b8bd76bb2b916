"""Fault tests: real servers, workers and databases are killed and starved, then a checker examines the result."""
