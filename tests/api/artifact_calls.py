"""Calls that send and fetch files of trials, and the blobs that hold their content."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx

from tests.api.conftest import HERE, Api

CONTENT = bytes(range(256)) * 1000
TRIAL = "/studies/s/trials/1"
FILE = f"{TRIAL}/artifacts/model.h5"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def put(api: Api, content: Any = CONTENT, code: int = 200, path: str = FILE, **headers: str) -> dict[str, Any]:
    response = api.client.put(HERE + path, content=content, headers=headers)
    assert response.status_code == code, response.text
    answer: dict[str, Any] = response.json()
    return answer


def media(api: Api, path: str = FILE) -> httpx.Response:
    return api.client.get(f"{HERE}{path}?alt=media")


def blobs_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
