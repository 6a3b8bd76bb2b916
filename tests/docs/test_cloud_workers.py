"""The files of docs/cloud-workers.md are what the services take."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from google.cloud.aiplatform_v1.types import CustomJobSpec
from google.protobuf.json_format import ParseDict, ParseError

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "cloud-workers.md"


@pytest.fixture
def spec() -> Any:
    _, vertex = blocks(PAGE, "yaml")
    return yaml.safe_load(vertex)


def test_vertex_takes_the_custom_job(spec: Any) -> None:
    job = ParseDict(spec, CustomJobSpec.pb()())
    (pool,) = job.worker_pool_specs
    assert pool.replica_count == 4
    assert "dodona run" in pool.container_spec.args[0]
    assert [one.name for one in pool.container_spec.env] == ["DODONA_URL"]


def test_it_would_refuse_another_field(spec: Any) -> None:
    spec["scheduling"]["strategies"] = "SPOT"
    with pytest.raises(ParseError, match="strategies"):
        ParseDict(spec, CustomJobSpec.pb()())
