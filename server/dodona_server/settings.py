"""Settings of the server. Order of precedence: flags, then `DODONA_*` variables, then defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dodona_server.api.front.observed import AccessLog
from dodona_server.service.access.audit import KEPT_SECONDS as AUDIT_SECONDS
from dodona_server.service.computing.schedule import DEADLINE_SECONDS
from dodona_server.service.studies.studies import KEPT_SECONDS

# For a single artifact.
MAX_ARTIFACT_BYTES = 4 * 2**30
# Shorter ones can be guessed.
MIN_TOKEN_LENGTH = 20


class Settings(BaseSettings):
    """Settings of `dodona serve`."""

    model_config = SettingsConfigDict(env_prefix="DODONA_", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    database_url: str = "sqlite:///dodona.db"
    # Files with the same, as Docker and Kubernetes mount secrets; so for the other secrets below.
    database_url_file: Path | None = None
    token: SecretStr | None = None
    # Of each token and to each project, in each server process; without them there is no limit.
    max_requests_per_second: float | None = Field(default=None, gt=0)
    max_project_requests_per_second: float | None = Field(default=None, gt=0)
    token_file: Path | None = None
    # The key of the digests of tokens; by default in a file beside SQLite, or in PostgreSQL.
    secret: SecretStr | None = None
    secret_file: Path | None = None
    insecure: bool = False
    # A provider of OpenID Connect, and the role of each group: "editor" or "editor:PROJECT".
    oidc_issuer: str | None = None
    oidc_client_id: str = "dodona"
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_client_secret_file: Path | None = None
    oidc_roles: dict[str, str] = {}
    oidc_groups: str = "groups"
    oidc_name: str = "sub"
    # How long the entries of the audit log are kept.
    audit_days: float = Field(default=AUDIT_SECONDS / (24 * 3600), gt=0, allow_inf_nan=False)
    # PEM files; without them the server speaks plain HTTP.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # The path below which a proxy serves the server.
    root_path: str = Field(default="", pattern=r"^((/[A-Za-z0-9._~\-]+)+/?)?$")
    workers: int = Field(default=1, ge=1, le=256)
    # As in Vertex: creating an existing study is an error even if the spec is equal.
    strict_create: bool = False
    # How many measurements of a completed trial are kept.
    keep_measurements: int | None = Field(default=None, ge=1)
    fitting_processes: int = Field(default=2, ge=1, le=256)
    # How many seconds an algorithm may take before a worker gets a quasi-random suggestion.
    suggestion_deadline: float = Field(default=DEADLINE_SECONDS, gt=0)
    # A folder, or any URL that fsspec knows; by default beside an SQLite file.
    artifacts: str | None = None
    max_artifact_bytes: int = Field(default=MAX_ARTIFACT_BYTES, ge=1)
    # The free space that artifacts leave on their folder's disk; by default 1 GiB, or a tenth of a disk below 10 GiB.
    min_free_bytes: int | None = Field(default=None, ge=0)
    # What each project may keep; by default without limit.
    max_project_artifact_bytes: int | None = Field(default=None, ge=1)
    max_project_metadata_bytes: int | None = Field(default=None, ge=1)
    max_project_studies: int | None = Field(default=None, ge=1)
    max_project_trials: int | None = Field(default=None, ge=1)
    # Whether webhooks may name addresses of private networks.
    webhooks_to_private: bool = False
    log_format: Literal["text", "json"] = "text"
    access_log: AccessLog = AccessLog.NONE
    # Where spans go by OTLP over HTTP, such as http://collector:4318.
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://")
    # How long a deleted study can be restored.
    undelete_days: float = Field(default=KEPT_SECONDS / (24 * 3600), ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Read secrets from the files that are named instead of them."""
        for name in ("database_url", "oidc_client_secret", "secret", "token"):
            file = given.get(f"{name}_file")
            if file and not given.get(name):
                try:
                    given = {**given, name: Path(file).read_text().strip()}
                except (OSError, UnicodeError) as error:
                    raise ValueError(f"DODONA_{name.upper()}_FILE: {error}") from None
        return given

    @field_validator("root_path")
    @classmethod
    def _without_last_slash(cls, root_path: str) -> str:
        return root_path.rstrip("/")

    @field_validator("token", "secret")
    @classmethod
    def _is_safe(cls, token: SecretStr | None) -> SecretStr | None:
        """Refuse a secret that can be guessed, or that no header can carry."""
        if token is None:
            return None
        secret = token.get_secret_value()
        if len(secret) < MIN_TOKEN_LENGTH:
            raise ValueError(
                f"it has {len(secret)} characters, and needs {MIN_TOKEN_LENGTH} or more: openssl rand -hex 32"
            )
        if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
            raise ValueError("it may contain only printable ASCII characters, and no spaces at its ends")
        return token
