"""Statements about trials: rows, lists, measurements, curves, leases."""
