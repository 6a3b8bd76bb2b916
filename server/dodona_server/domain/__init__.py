"""Values and rules of tuning: pure, and importing nothing else of Dodona's."""
