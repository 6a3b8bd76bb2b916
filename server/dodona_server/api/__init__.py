"""HTTP: parse, call the service, render."""
