"""A bucket: the S3 protocol over real HTTP, from a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import httpx
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def empty_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an empty bucket, which this process finds through the usual variables."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()  # it remembers earlier servers' buckets
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("models")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield "s3://models"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()
