"""Clients that nobody here wrote against a running server."""

from importlib import metadata

_NEEDED = ("google-api-python-client", "google-cloud-aiplatform", "google-vizier", "jsonschema")
_INSTALLED = {distribution.name for distribution in metadata.distributions()}

if _MISSING := [name for name in _NEEDED if name not in _INSTALLED]:
    raise ImportError(f"{', '.join(_MISSING)} must be installed for these tests: pip install -e '.[vizier-clients]'")
