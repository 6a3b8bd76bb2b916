"""What the tests of tensorflow-cloud share."""

from __future__ import annotations

import pytest
from tensorflow_cloud import CloudOracle
from tensorflow_cloud.tuner import constants
from tensorflow_cloud.utils import google_api_client

END_TRIAL = CloudOracle.end_trial


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch, tmp_path):
    """The client's notice of its telemetry goes elsewhere, and what a test changes in the client is undone."""
    monkeypatch.setattr(google_api_client, "_LOCAL_CONFIG_PATH", str(tmp_path / "tf_cloud.json"))
    request = google_api_client.TFCloudHttpRequest
    monkeypatch.setattr(request, "execute", request.execute)
    monkeypatch.setattr(constants, "OPTIMIZER_API_DOCUMENT_FILE", constants.OPTIMIZER_API_DOCUMENT_FILE)
    monkeypatch.setattr(CloudOracle, "end_trial", END_TRIAL)
