"""Algorithms whose trials continue others: Hyperband, successive halving, ASHA and population-based training."""
