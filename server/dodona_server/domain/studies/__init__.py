"""Studies: their specs, states, budgets and lists."""
