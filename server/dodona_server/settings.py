"""The server's settings: flags over `DODONA_*` variables over defaults."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What `dodona serve` can be told."""

    model_config = SettingsConfigDict(env_prefix="DODONA_", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    database_url: str = "sqlite:///dodona.db"
    token: SecretStr | None = None
