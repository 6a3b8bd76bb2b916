"""AI Platform v1 dialect, used by tensorflow-cloud: another form of the same studies and trials."""
