"""`python -m dodona_server`: the server's part of `dodona`."""

from dodona_server.commands import app

app()
