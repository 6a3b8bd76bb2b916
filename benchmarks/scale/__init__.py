"""How far the service reaches: measured costs of calls, and fleets in simulated time; see `benchmarks/scaling.py`."""
