"""KerasTuner's oracle on a Dodona server."""
