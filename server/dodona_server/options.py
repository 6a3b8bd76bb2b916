"""Options of the server, as `create_app` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodona_server.api.front.observed import AccessLog
from dodona_server.service.access.audit import KEPT_SECONDS as AUDIT_SECONDS
from dodona_server.service.computing.schedule import DEADLINE_SECONDS
from dodona_server.service.quotas import NO_LIMITS, ProjectLimits
from dodona_server.service.studies.studies import KEPT_SECONDS
from dodona_server.settings import MAX_ARTIFACT_BYTES

if TYPE_CHECKING:
    from dodona_server.service.access.provider import Provider


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the server.

    Args:
        token: a token that may do everything, from the settings; None for none.
        secret: the key of all digests of tokens; None for one beside or in the database.
        insecure: whether everyone may do everything.
        oidc: the provider of OpenID Connect; None for none.
        audit_seconds: how long the entries of the audit log are kept.
        strict: whether creating an existing study is an error even if the spec is equal, as in Vertex.
        kept_measurements: how many measurements of a completed trial are kept; None for all.
        fitting_processes: how many processes may fit models.
        deadline_seconds: how long an algorithm may take before a worker gets a quasi-random suggestion.
        artifacts: where artifacts are kept, a folder or a URL; None for beside an SQLite database.
        max_artifact_bytes: the largest size of one artifact.
        min_free_bytes: the free space that artifacts leave on the folder's disk; None for 1 GiB or a tenth.
        max_requests_per_second: of each principal, in the mean; None for no limit.
        max_project_requests_per_second: the same to each project.
        root_path: the path below which a proxy serves the server, such as /dodona; "" for none.
        quotas: what each project may keep.
        webhooks_to_private: whether webhooks may name addresses of private networks.
        access_log: which requests are logged.
        kept_seconds: how long a deleted study can be restored.
        front: whether the hot calls are answered before FastAPI; tests compare both ways.
    """

    token: str | None = None
    secret: str | None = None
    insecure: bool = False
    oidc: Provider | None = None
    audit_seconds: float = AUDIT_SECONDS
    strict: bool = False
    kept_measurements: int | None = None
    fitting_processes: int = 2
    deadline_seconds: float = DEADLINE_SECONDS
    artifacts: str | None = None
    max_artifact_bytes: int = MAX_ARTIFACT_BYTES
    min_free_bytes: int | None = None
    max_requests_per_second: float | None = None
    max_project_requests_per_second: float | None = None
    root_path: str = ""
    quotas: ProjectLimits = NO_LIMITS
    webhooks_to_private: bool = False
    access_log: AccessLog = AccessLog.NONE
    kept_seconds: float = KEPT_SECONDS
    front: bool = True


DEFAULTS = Options()
