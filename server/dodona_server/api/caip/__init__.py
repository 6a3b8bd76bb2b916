"""The AI Platform v1 dialect, of tensorflow-cloud: another rendering of the same studies and trials."""
