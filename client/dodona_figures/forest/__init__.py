"""A random forest of the results, and what it says of the parameters; with NumPy."""
