"""This worker's process: its id, its restart and exit, and its memory."""
