"""Findings before anything is done: where the run works, and what the function is set to."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

KINDS = {
    "DG501": Kind(
        "The run is in another place than expected",
        "the credentials, the region or the endpoint are not those that are pinned",
        "work in the place that is expected, or change what is pinned",
        "aws sts get-caller-identity",
        expected="the account, region and endpoint that are pinned",
        severity=Severity.REFUSED,
    ),
    "DG502": Kind(
        "Calls do not go to AWS",
        "AWS_ENDPOINT_URL or the AWS configuration file sends them to an emulator or a proxy",
        "unset it, or allow it by --expect-endpoint",
        "unset AWS_ENDPOINT_URL",
        expected="AWS's own endpoint",
        severity=Severity.WARNING,
    ),
    "DG503": Kind(
        "A probe cannot hold its container so long",
        "the function's timeout would cut it short, and then it answers nothing",
        "hold for less, or give the function more time",
        "deployguard check FUNCTION --hold-ms NUMBER",
        expected="a timeout that is longer than --hold-ms",
        severity=Severity.REFUSED,
    ),
    "DG504": Kind(
        "Log lines are left out",
        "the function's logging configuration drops lines below a level",
        "take no missing line for a sign of old code, or lower the level",
        "aws lambda update-function-configuration --function-name FUNCTION "
        "--logging-config LogFormat=JSON,ApplicationLogLevel=DEBUG,SystemLogLevel=INFO",
        expected="lines of every level",
        severity=Severity.WARNING,
    ),
    "DG505": Kind(
        "Containers start from a snapshot",
        "SnapStart: a new container has the memory of the time of publishing, so clocks, tokens "
        "and seeds that were made at import are old in it",
        "make them in a hook after the restore, or at the first invocation; a new version takes "
        "a new snapshot",
        "deployguard refresh FUNCTION --alias ALIAS --remedy publish",
        expected="containers that run their imports when they start",
        severity=Severity.NOTE,
    ),
    "DG506": Kind(
        "Executions stay on their version",
        "a durable execution goes on with the version that it started on, for as long as it lasts",
        "let those that run come to their end, or stop them",
        "aws lambda list-durable-executions-by-function --function-name FUNCTION "
        "--statuses RUNNING",
        expected="invocations that end within the timeout",
        severity=Severity.NOTE,
    ),
    "DG507": Kind(
        "A lifecycle rule deletes the image",
        "a rule of the repository counts images or days, whatever Lambda runs",
        "let the rule keep what an alias or a way back needs, by a tag that it does not select",
        "aws ecr put-lifecycle-policy --repository-name REPO "
        "--lifecycle-policy-text file://policy.json",
        expected="an image that stays for as long as a version is of it",
        severity=Severity.WARNING,
    ),
    "DG508": Kind(
        "The alias does not exist",
        "it was never created, or its name is misspelt",
        "let `check` create it, after which there is no way back; or name one that exists",
        "deployguard check FUNCTION --alias ALIAS",
        expected="an alias that callers use",
        severity=Severity.NOTE,
    ),
    "DG509": Kind(
        "The alias serves $LATEST",
        "it was never pointed at a published version",
        "point it at a published version, which is fresh by construction",
        "deployguard check FUNCTION --alias ALIAS",
        expected="a published version",
        severity=Severity.WARNING,
    ),
    "DG510": Kind(
        "The function is switched off",
        "its reserved concurrency is 0: somebody switched it off, or a drain was not ended",
        "give it concurrency again: nothing can be invoked",
        "aws lambda delete-function-concurrency --function-name FUNCTION",
        expected="concurrency for callers and probes",
        severity=Severity.REFUSED,
    ),
    "DG511": Kind(
        "There is little room for probes",
        "callers use nearly all the concurrency that the function or the account has",
        "raise the limit, or check when less traffic runs",
        "aws lambda put-function-concurrency --function-name FUNCTION "
        "--reserved-concurrent-executions NUMBER",
        expected="room for 10 containers at least",
        severity=Severity.WARNING,
    ),
    "DG512": Kind(
        "No canary was sent",
        "it was not to be sent, or the state of the function forbade it",
        "send one, to see whether a container answers",
        "deployguard doctor FUNCTION --canary",
        expected="an answer of a container",
        severity=Severity.NOTE,
    ),
    "DG513": Kind(
        "A permission is missing",
        "the role's policies do not grant what the command needs",
        "grant what --policy prints",
        "deployguard doctor FUNCTION --policy",
        expected="every action that the command needs",
        severity=Severity.REFUSED,
    ),
    "DG514": Kind(
        "What the role may do is not known",
        "IAM may not be asked, and what changes something is not tried out",
        "grant iam:SimulatePrincipalPolicy and iam:GetRole, to have it looked up",
        "deployguard doctor FUNCTION --policy --commands doctor",
        expected="an answer of IAM",
        severity=Severity.NOTE,
    ),
    "DG515": Kind(
        "Something could not be read",
        "the role lacks a permission, or AWS did not answer",
        "grant what is missing; nothing is concluded from what was not read",
        "deployguard doctor FUNCTION --policy --commands doctor",
        expected="an answer of AWS",
        severity=Severity.WARNING,
    ),
    "DG516": Kind(
        "Other functions run other images of this repository",
        "they share the image, and the deploy step left them out; or they are meant to differ",
        "deploy the image to each function that shares it, and check each",
        "deployguard verify OTHER --image REPOSITORY@DIGEST",
        expected="one image in all functions that share it",
        severity=Severity.NOTE,
    ),
}
