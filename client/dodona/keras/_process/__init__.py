"""This worker's process: who it is, how it ends, what it leaves behind."""
