"""Stopping rules: they decide from curves whether a trial should stop early. Pure; no SQL, no HTTP, no clock."""
