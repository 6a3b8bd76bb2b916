"""Real servers, workers and databases that are killed, starved and lied to, and a checker of what is left."""
