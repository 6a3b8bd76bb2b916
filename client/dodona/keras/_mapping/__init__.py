"""KerasTuner's objects as the server's, and back."""
