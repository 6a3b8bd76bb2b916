"""The commands for machines on which workers run."""
