"""The Gaussian-process bandit in parts, each a module of its own; `bandit.suggest` puts them together.

The notation of the whole package, after which the arrays are named:

| symbol | meaning | shape or range |
| --- | --- | --- |
| n | observations the model is fitted to | |
| a | axes: the parameters of the space, each once | |
| f | kernel features: a column a numeric axis, several a categorical one | |
| m | points evaluated at once | |
| s | fantasies of the pending trials' results | |
| `z` | places of the points on the axes: the unit interval on the parameter's scale, or a category's number | m x a |
| `active` | which axes the point really has | m x a, bool |
| `x` | kernel features | m x f |
| `y` | objective, to be minimised, warped and standardised | n |

Its modules import NumPy and SciPy, but for `algorithm`, which imports the others when it is first asked.
"""
