"""Commands for machines on which workers run."""
