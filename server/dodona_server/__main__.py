"""`python -m dodona_server`: the server's part of `dodona`."""

import gc

# As the command line does: nothing of what is imported is garbage.
gc.disable()

from dodona_server.commands import app  # noqa: E402

gc.freeze()
gc.enable()
app()
