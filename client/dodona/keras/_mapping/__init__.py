"""Mapping between KerasTuner's objects and the server's."""
