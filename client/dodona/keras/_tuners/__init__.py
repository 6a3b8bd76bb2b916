"""KerasTuner's tuners on a Dodona server."""
