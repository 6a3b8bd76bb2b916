"""Gaussian-process bandit: its data, its models, its acquisition functions; `bandit.suggest` combines them.

The notation of the whole package, which also names the arrays:

| symbol | meaning | shape or range |
| --- | --- | --- |
| n | observations that the model is fitted to | |
| a | axes: the parameters of the space, each once | |
| f | kernel features: one column for a numeric axis, several for a categorical one | |
| m | points evaluated together | |
| s | fantasies: draws of the pending trials' results | |
| `z` | positions of the points on the axes: in the unit interval on the axis's scale, or a category's number | m x a |
| `active` | whether each axis is active in the point | m x a, bool |
| `x` | kernel features | m x f |
| `y` | objective, to be minimized, warped and standardized | n |

All modules import NumPy or SciPy except `algorithm`, which imports the others at its first call.
"""
