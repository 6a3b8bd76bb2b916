"""Weights of trials: their storage, and how training resumes from them."""
