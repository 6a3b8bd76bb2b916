"""Algorithms that train many trials a little, and continue the best of them: Hyperband, successive halving, ASHA."""
