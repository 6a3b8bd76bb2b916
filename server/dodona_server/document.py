"""Command that writes the OpenAPI document: `python -m dodona_server.document docs/openapi.json`, or to stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from dodona_server.app import create_app
from dodona_server.storage.store import Store


def openapi_document() -> str:
    """Return the document as it is committed."""
    app = create_app(cast(Store, None))  # it describes the calls and answers none
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(openapi_document(), encoding="utf-8")
    else:
        sys.stdout.write(openapi_document())
