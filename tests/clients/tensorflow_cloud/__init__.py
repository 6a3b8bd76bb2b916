"""tensorflow-cloud, unmodified, against a running server."""

import os
from importlib import metadata

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    metadata.version("tensorflow-cloud")
    metadata.version("kt-legacy")
except metadata.PackageNotFoundError as error:
    raise ImportError(
        f"{error.name} must be installed for these tests:"
        " pip install -e '.[vizier-clients]' && pip install --no-deps tensorflow-cloud==0.1.16"
    ) from error
