"""`python -m dodona_server`: the server's part of `dodona`."""

import gc

# As on the command line: imported modules hold no garbage to collect.
gc.disable()

from dodona_server.commands import app  # noqa: E402

gc.freeze()
gc.enable()
app()
