"""IAM documents: the policy that commands need, as JSON or Terraform, and who may assume a role."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from deployguard.errors import ConfigurationError
from deployguard.scope import Need, On, Role, Scope

GITHUB = "token.actions.githubusercontent.com"


def statements(needs: Iterable[Need], scope: Scope, *, role: Role) -> list[dict[str, Any]]:
    """Return what a role adds to those before it, actions with the same resources together."""
    on: dict[str, set[On]] = {}
    for need in needs:
        if need.role is role:
            on.setdefault(need.action, set()).add(need.on)
    groups: dict[tuple[On, ...], list[str]] = {}
    for action in sorted(on):
        groups.setdefault(tuple(each for each in On if each in on[action]), []).append(action)
    return [
        {
            "Sid": role.title() + "".join(kinds),
            "Effect": "Allow",
            "Action": actions,
            "Resource": list(scope.resources(kinds)),
        }
        for kinds, actions in groups.items()
    ]


def policy(needs: Iterable[Need], scope: Scope) -> str:
    """Return one policy with the statements of all roles, as JSON."""
    needs = tuple(needs)
    every = [each for role in Role for each in statements(needs, scope, role=role)]
    return json.dumps({"Version": "2012-10-17", "Statement": every}, indent=2) + "\n"


def terraform(needs: Iterable[Need], scope: Scope) -> str:
    """Return a policy document for each role, which holds those of the roles before it."""
    needs = tuple(needs)
    blocks: list[str] = []
    before = ""
    for role in Role:
        own = statements(needs, scope, role=role)
        if own:
            blocks.append(_document(f"deployguard_{role}", own, before=before))
            before = f"deployguard_{role}"
    return "\n".join(blocks)


def _document(name: str, own: Iterable[dict[str, Any]], *, before: str) -> str:
    lines = [f'data "aws_iam_policy_document" "{name}" {{']
    if before:
        lines.append(f"  source_policy_documents = [data.aws_iam_policy_document.{before}.json]")
    for statement in own:
        lines += [
            "  statement {",
            f"    sid       = {json.dumps(statement['Sid'])}",
            f"    actions   = {json.dumps(statement['Action'])}",
            f"    resources = {json.dumps(statement['Resource'])}",
            "  }",
        ]
    return "\n".join((*lines, "}", ""))


def trust(
    provider: str,
    *,
    account: str,
    partition: str,
    repository: str,
    branch: str,
    environment: str | None,
    host: str,
) -> str:
    """Return who may assume the role: the jobs of one repository on one branch or environment."""
    if provider == "github":
        issuer, audience = GITHUB, "sts.amazonaws.com"
        where = f"environment:{environment}" if environment else f"ref:refs/heads/{branch}"
        subjects = [f"repo:{named}:{where}" for named in _both_forms(repository)]
    else:
        if environment:
            raise ConfigurationError(
                "GitLab's token does not tell AWS of an environment",
                cause="the subject holds the project and the branch or tag only",
                fix="name a protected --branch instead",
            )
        issuer, audience = host, f"https://{host}"
        subjects = [f"project_path:{repository}:ref_type:branch:ref:{branch}"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": audience, f"{issuer}:sub": subjects}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2) + "\n"


def _both_forms(repository: str) -> tuple[str, str]:
    """Return a repository by its names, and by names with ids, as newer ones call themselves.

    An id that is not known stays a word that no token ever holds.
    """
    owner, _, name = repository.partition("/")
    (owner, _, owner_id), (name, _, own_id) = owner.partition("@"), name.partition("@")
    ids = owner_id or "OWNER_ID", own_id or "REPOSITORY_ID"
    return f"{owner}/{name}", f"{owner}@{ids[0]}/{name}@{ids[1]}"
