"""Server that keeps studies and trials in a SQL database and answers suggestions over REST."""
