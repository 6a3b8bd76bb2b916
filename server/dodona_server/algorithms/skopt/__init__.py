"""Search with the models of scikit-optimize."""
