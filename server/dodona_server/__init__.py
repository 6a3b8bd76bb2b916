"""The oracle server: keeps studies and trials in a SQL database and hands out suggestions over REST."""
