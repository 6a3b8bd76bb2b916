"""CMA-ES."""
