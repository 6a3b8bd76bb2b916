"""scikit-optimize's models."""
