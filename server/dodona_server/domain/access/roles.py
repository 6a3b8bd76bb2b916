"""Permissions: roles, the principals that have them, and the table of calls and roles.

A role holds in one project or in all of them. The table is the only place that says which role may make which call; the
api checks it before each call, docs/security.md shows it, and a test makes every call with every role.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dodona_server.domain.errors import NotFound, PermissionDenied


class Role(enum.StrEnum):
    """Role in a project: the calls that it allows."""

    VIEWER = "viewer"
    """Read everything."""
    WORKER = "worker"
    """Run a training script: create or find its study, add parameters, run trials, keep their files."""
    EDITOR = "editor"
    """Change what others work on: queue and delete trials; pause, end and change studies."""
    ADMIN = "admin"
    """Delete studies, make tokens, choose members, read the audit log."""
    OPERATOR = "operator"
    """Do everything on the server; this role holds in all projects."""


# Stands for all projects; no project can have this name.
ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule of who may make a call.

    Args:
        roles: the roles that allow it.
        of_server: whether it is about all projects together, so that a role in one of them is not enough.
    """

    roles: frozenset[Role]
    of_server: bool = False


_VIEWER, _WORKER, _EDITOR, _ADMIN, _OPERATOR = Role

# Anyone, without a token: for containers, and the pages' own files.
ANYONE = Rule(frozenset())
OPERATE = Rule(frozenset({_OPERATOR}), of_server=True)
ADMINISTER = Rule(frozenset({_ADMIN, _OPERATOR}))
EDIT = Rule(frozenset({_EDITOR, _ADMIN, _OPERATOR}))
WORK = Rule(frozenset({_WORKER, _EDITOR, _ADMIN, _OPERATOR}))
# What a training script does not need.
LOOK = Rule(frozenset({_VIEWER, _EDITOR, _ADMIN, _OPERATOR}))
READ = Rule(frozenset(Role))

# By the name of the call. Calls of the same name in two dialects have the same row.
RULES: Mapping[str, Rule] = {
    # Trials.
    "suggest_trials": WORK,
    "add_trial_measurement": WORK,
    "add_measurement": WORK,
    "complete_trial": WORK,
    "heartbeat_trial": WORK,
    "release_trial": WORK,
    "report_trials": WORK,
    "check_trial_early_stopping_state": WORK,
    "check_early_stopping_state": WORK,
    # tensorflow-cloud's workers stop their own trials.
    "stop_trial": WORK,
    "update_trial_metadata": WORK,
    "get_trial": READ,
    "explain_trial": READ,
    "list_trials": READ,
    "list_optimal_trials": READ,
    "create_trial": EDIT,
    "delete_trial": EDIT,
    # Artifacts.
    "save_artifact": WORK,
    "delete_artifact": WORK,
    "get_artifact": READ,
    "list_artifacts": READ,
    "list_artifacts_of_study": READ,
    # Studies.
    "create_study": WORK,
    "add_parameters": WORK,
    "get_study": READ,
    "lookup_study": READ,
    "list_studies": LOOK,
    "export_study": LOOK,
    "report_study": LOOK,
    # Tuners ask for it in their summary.
    "replay_stopping": READ,
    "get_outlook": READ,
    "list_events": LOOK,
    "update_study_metadata": EDIT,
    "set_max_trials": EDIT,
    "set_budget": EDIT,
    "set_stopping_rule": EDIT,
    "set_wanted_workers": EDIT,
    "set_priors": EDIT,
    "rename_study": EDIT,
    "archive_study": EDIT,
    "unarchive_study": EDIT,
    "pause_study": EDIT,
    "resume_study": EDIT,
    "complete_study": EDIT,
    "delete_study": ADMINISTER,
    "list_deleted_studies": LOOK,
    "undelete_study": EDIT,
    "purge_study": ADMINISTER,
    # Workers.
    # `dodona run` counts them.
    "list_workers": READ,
    "list_all_workers": LOOK,
    "stop_worker": EDIT,
    "resume_worker": EDIT,
    # Who calls, and assistants: each tool makes calls that are checked.
    "get_caller": READ,
    "mcp": READ,
    # Operations: what calls were answered with.
    "get_operation": READ,
    "wait_operation": READ,
    "list_operations": LOOK,
    "cancel_operation": WORK,
    "delete_operation": EDIT,
    # Tokens. Administrators of a project see those of the project only.
    "create_token": ADMINISTER,
    "list_tokens": ADMINISTER,
    "revoke_token": ADMINISTER,
    "rotate_token": ADMINISTER,
    # Users. Administrators of a project choose the project's members.
    "list_users": ADMINISTER,
    "set_role": ADMINISTER,
    "create_user": OPERATE,
    "set_password": OPERATE,
    "delete_user": OPERATE,
    # The server itself.
    "healthz": ANYONE,
    "readyz": ANYONE,
    # Webhooks.
    "create_webhook": ADMINISTER,
    "list_webhooks": ADMINISTER,
    "delete_webhook": ADMINISTER,
    "update_webhook": ADMINISTER,
    "try_webhook": ADMINISTER,
    "webhooks": ADMINISTER,
    # Of all projects together.
    "metrics": Rule(LOOK.roles, of_server=True),
    "static_file": ANYONE,
    "docs": READ,
    "openapi_document": READ,
    "swagger_ui_bundle_js": READ,
    "swagger_ui_css": READ,
    "swagger_favicon_png": READ,
    "get_discovery_document": READ,
    # The audit log.
    "list_audit": ADMINISTER,
    "export_audit": ADMINISTER,
    "audit_page": ADMINISTER,
    "access_page": ADMINISTER,
    # Signing in and out, in a browser.
    "sign_in_page": ANYONE,
    "sign_in": ANYONE,
    "oidc_begin": ANYONE,
    "oidc_end": ANYONE,
    "sign_out": READ,
    # Pages.
    "all_studies": LOOK,
    "changes_of_all": LOOK,
    "one_study": LOOK,
    "changes_of_study": LOOK,
    "one_trial": LOOK,
    "one_artifact": LOOK,
    "artifact_image": LOOK,
    "all_workers": LOOK,
    # It tells of all projects.
    "server_state": Rule(LOOK.roles, of_server=True),
    "figure_of_study": LOOK,
    # Each study in its query is checked too.
    "compare": LOOK,
    "compare_data": LOOK,
    "anything_else": READ,
    "new_study": EDIT,
    "deleted": LOOK,
}


# Calls that change something and are in the audit log: all but those of training scripts.
AUDITED = frozenset(name for name, rule in RULES.items() if rule in (EDIT, ADMINISTER, OPERATE))
AUDITED |= {"create_study", "add_parameters", "sign_in", "sign_out"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Sender of requests: a person, or the holder of a token.

    Args:
        name: how the log calls them.
        roles: by project; see `ALL`.
        session: the id of the session in a browser; empty for a token.
    """

    name: str
    roles: tuple[tuple[str, Role], ...] = ()
    session: str = ""

    def may(self, call: str, project: str | None) -> bool:
        """Return whether the call is allowed; `project` is the one in its path, None if there is none."""
        rule = RULES[call]
        for place, role in self.roles:
            if role in rule.roles and (place in (ALL, project) or (project is None and not rule.of_server)):
                return True
        return False

    def check(self, call: str, project: str | None) -> None:
        """Check that the call is allowed.

        Raises:
            NotFound: the project is not the principal's; it is not said whether it exists.
            PermissionDenied: no role of the principal allows the call.
        """
        if self.may(call, project):
            return
        if project is not None and not self.sees(project):
            raise foreign(project)
        allowed = ", ".join(role for role in Role if role in RULES[call].roles)
        where = f"in the project {project!r}" if project else "here"
        raise PermissionDenied(f"{self.name} may not do that {where}; these roles may: {allowed}")

    def sees(self, project: str) -> bool:
        """Return whether the principal has any role in the project."""
        return any(place in (ALL, project) for place, _ in self.roles)

    def calls_in(self, project: str) -> list[str]:
        """Return the names of the calls that are allowed in the project."""
        return [call for call in RULES if self.may(call, project)]

    def roles_in(self, project: str) -> list[Role]:
        """Return the roles that hold in the project."""
        return [role for place, role in self.roles if place in (ALL, project)]

    def projects_of(self, call: str) -> frozenset[str] | None:
        """Return the projects in which the call is allowed; None for all."""
        rule = RULES[call]
        places = frozenset(place for place, role in self.roles if role in rule.roles)
        return None if ALL in places else places


# Anyone who reaches an open server.
ANONYMOUS = Principal("anonymous", ((ALL, Role.OPERATOR),))
# Anyone who asks for what needs no token.
NOBODY = Principal("anonymous")
TOKEN_HOLDER = Principal("the holder of the token", ((ALL, Role.OPERATOR),))


def foreign(project: str) -> NotFound:
    """Return the refusal of whatever a project without the principal is said to have."""
    return NotFound(f"projects/{project} does not exist, or this token is not for it")


def check_visible(principal: Principal, studies: Iterable[str]) -> None:
    """Check that studies which are named by their whole names are in projects of the principal.

    Raises:
        NotFound: one of them is not.
    """
    for name in studies:
        parts = name.split("/")
        if len(parts) > 1 and not principal.sees(parts[1]):
            raise foreign(parts[1])
