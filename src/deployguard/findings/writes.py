"""Findings about changes: somebody else makes some, or ours cannot be put back."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

KINDS = {
    "DG401": Kind(
        "Another deploy moved on",
        "somebody changed the alias or the function while this run was checking",
        "theirs is left alone: check that deploy instead; to prevent races, serialise deploys of "
        "this function",
        "deployguard verify FUNCTION",
        expected="nobody else changes the route meanwhile",
    ),
    "DG402": Kind(
        "The alias could not be put back",
        "AWS refused the change, or did not answer",
        "run this command",
        "aws lambda update-alias --function-name FUNCTION --name ALIAS --function-version VERSION "
        "--routing-config 'AdditionalVersionWeights={}'",
    ),
    "DG403": Kind(
        "The lease could not be removed",
        "until it is gone, the next run takes this deploy for one that was killed, and undoes it",
        "run this command before the next deploy",
        "aws lambda delete-alias --function-name FUNCTION --name deployguard",
    ),
    "DG404": Kind(
        "Reserved concurrency could not be restored",
        "another function reserved what this one gave back while it was drained",
        "run this command; until then callers are throttled",
        "aws lambda put-function-concurrency --function-name FUNCTION "
        "--reserved-concurrent-executions NUMBER",
    ),
    "DG405": Kind(
        "There is no way back",
        "it is the first deploy, or a lifecycle rule took the image of the previous version",
        "after a first deploy nothing; else let the lifecycle rule of the repository keep images "
        "for as long as a rollback may need them",
        "deployguard doctor FUNCTION",
        expected="a previous version that can serve again",
        severity=Severity.WARNING,
    ),
    "DG406": Kind(
        "Another run holds the lease",
        "it is changing this function now, or was killed a moment ago",
        "let it finish, and check again; --wait-lock SECONDS waits for it",
        "deployguard check FUNCTION --wait-lock 300",
        expected="nobody else who changes the function",
    ),
    "DG407": Kind(
        "A killed run left something to put back",
        "it died between a change and its verdict",
        "the next command that writes puts it back first; or do it now",
        "deployguard recover FUNCTION",
        expected="nothing half done",
        severity=Severity.WARNING,
    ),
    "DG408": Kind(
        "The lease cannot be read",
        "it was edited by hand, or somebody uses an alias of its name",
        "see that nothing is left half done, then delete the alias, or give it another name",
        "aws lambda delete-alias --function-name FUNCTION --name deployguard",
        expected="an alias `deployguard` that holds a lease, or none",
        severity=Severity.REFUSED,
    ),
    "DG409": Kind(
        "CodeDeploy moves the alias, too",
        "a deployment of this function is in progress, and shifts its traffic step by step",
        "let it finish or stop it: two that move one alias undo each other",
        "aws deploy stop-deployment --deployment-id DEPLOYMENT",
        expected="nobody else who moves the alias",
        severity=Severity.REFUSED,
    ),
    "DG410": Kind(
        "CodeDeploy may move the alias, too",
        "a deployment is in progress whose AppSpec lies in S3, so nothing here says which "
        "function it is of",
        "look whether it is of this function, and then let it finish or stop it",
        "aws deploy get-deployment --deployment-id DEPLOYMENT",
        expected="nobody else who moves the alias",
        severity=Severity.WARNING,
    ),
    "DG411": Kind(
        "Another function of the fleet failed",
        "all are deployed together, or none is begun or moved any more after a failure",
        "mend the other function first, then check all again",
        "deployguard check --all",
        expected="all functions FRESH",
    ),
}
