"""Tree-structured Parzen estimator."""
