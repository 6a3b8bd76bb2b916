"""Parts of the application that routes use; `app.create_app` puts them into its state.

Routes are created once, when their module is imported: each costs milliseconds, and tests create many applications. So
a route looks up its parts at each request.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from dodona_server.service.access.audit import AuditLog
from dodona_server.service.access.gate import Gate
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.following.changes import Changes
from dodona_server.service.following.feed import Feed
from dodona_server.service.gauges import Gauges
from dodona_server.service.operations import OperationService
from dodona_server.service.quotas import Quotas
from dodona_server.service.steering import StudySteering
from dodona_server.service.studies.deleted import DeletedStudyService
from dodona_server.service.studies.outlook import UsageQueries
from dodona_server.service.studies.studies import StudyService
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.explanations import Explanations
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.trials import TrialService
from dodona_server.service.views.dashboard import DashboardQueries
from dodona_server.service.views.hindsight import HindsightQueries
from dodona_server.service.views.reports import Reports
from dodona_server.service.views.samples import Samples
from dodona_server.service.views.status import StatusQueries
from dodona_server.service.webhooks.webhooks import WebhookService
from dodona_server.service.workers import WorkerService
from dodona_server.storage.engine.store import Store


def part(name: str) -> Any:
    """Return a dependency on the part of the application's state that is called `name`."""

    async def given(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(given)


Access = Annotated[Gate, part("gate")]
Audit = Annotated[AuditLog, part("audit")]
SignInProvider = Annotated[Any, part("oidc")]
SignIns = Annotated[Any, part("sign_ins")]
Artifacts = Annotated[ArtifactService, part("artifacts")]
Following = Annotated[Changes, part("changes")]
Dashboard = Annotated[DashboardQueries, part("dashboard")]
Deleted = Annotated[DeletedStudyService, part("deleted")]
Events = Annotated[Feed, part("feed")]
Explained = Annotated[Explanations, part("explanations")]
Hindsights = Annotated[HindsightQueries, part("hindsight")]
Reported = Annotated[Reports, part("reports")]
Sampled = Annotated[Samples, part("samples")]
Operations = Annotated[OperationService, part("operations")]
ServerStatus = Annotated[StatusQueries, part("status")]
Measured = Annotated[Gauges, part("gauges")]
Used = Annotated[UsageQueries, part("usage")]
Queries = Annotated[TrialQueries, part("queries")]
ProjectQuotas = Annotated[Quotas, part("quotas")]
Studies = Annotated[StudyService, part("studies")]
Suggestions = Annotated[SuggestionService, part("suggestions")]
Trials = Annotated[TrialService, part("trials")]
Workers = Annotated[WorkerService, part("workers")]
Steering = Annotated[StudySteering, part("steering")]
Webhooks = Annotated[WebhookService, part("webhooks")]
Database = Annotated[Store, part("store")]
