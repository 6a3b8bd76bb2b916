"""Contract of the algorithms: their input, their output, and helpers to read both."""
