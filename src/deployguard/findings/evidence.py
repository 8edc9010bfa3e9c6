"""Findings about the evidence: none came, too little, or such that it proves nothing."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

KINDS = {
    "DG301": Kind(
        "No breadcrumb came back",
        "the handler in this image is not wrapped by deployguard.canary",
        "decorate the handler with @canary and build again",
        "docker build $(deployguard stamp) --provenance=false .",
        expected="a breadcrumb from each probe",
    ),
    "DG302": Kind(
        "The function failed on the canary",
        "it raised, crashed or ran out of time before it could answer",
        "read the function's log of this time, and mend what it names",
        "aws logs filter-log-events --log-group-name /aws/lambda/NAME",
        expected="a breadcrumb from each probe",
    ),
    "DG303": Kind(
        "Probes were throttled",
        "no concurrency is left for them: a reserved or account limit is reached",
        "raise the limit, or check when less traffic runs",
        "aws lambda put-function-concurrency --function-name FUNCTION "
        "--reserved-concurrent-executions NUMBER",
        expected="a breadcrumb from each probe",
    ),
    "DG304": Kind(
        "Too little evidence",
        "the probes did not reach every container in the given time or number",
        "give more --timeout or --max-probes, or send traffic through an alias",
        "deployguard verify FUNCTION:QUALIFIER --timeout 900 --max-probes 5000",
        expected="enough agreeing evidence to speak for every container",
    ),
    "DG305": Kind(
        "The evidence contradicts itself",
        "a response was cached, replayed or forged, or the stamp is not this image's",
        "make sure that the handler answers canaries itself, with the helper unchanged",
        "docker build --no-cache $(deployguard stamp) --provenance=false .",
        expected="a breadcrumb of each probe itself, with the version that AWS says it ran",
    ),
    "DG306": Kind(
        "Probes may not invoke the route",
        "the role lacks lambda:InvokeFunction on this qualifier",
        "grant it on both the function's ARN and ARN:*",
        "deployguard doctor FUNCTION --policy",
        expected="a breadcrumb from each probe",
    ),
    "DG307": Kind(
        "Containers belong to tenants",
        "the function isolates tenants, so a canary reaches its own tenant's containers only",
        "nothing settles this from outside; check through each tenant's own calls",
        "aws lambda invoke --function-name FUNCTION --tenant-id TENANT answer.json",
        expected="shared containers",
    ),
    "DG308": Kind(
        "Containers are managed instances",
        "one container serves several invocations at once, so a burst cannot count them",
        "compare the version's digest, which GetFunction shows, with the expected one",
        "aws lambda get-function --function-name FUNCTION --qualifier VERSION "
        "--query Configuration.CodeSha256",
        expected="one invocation at a time in a container",
    ),
    "DG309": Kind(
        "Provisioned containers are not ready",
        "AWS is still moving provisioned concurrency to the new version, or failed to",
        "wait until it is READY, or mend what the reason names",
        "aws lambda get-provisioned-concurrency-config --function-name FUNCTION --qualifier ALIAS",
        expected="provisioned concurrency READY",
    ),
    "DG310": Kind(
        "Not all callers are known",
        "the role may not read some sources, or a caller makes the qualifier at run time",
        "grant what is missing, name what can be read by --sources, or let callers name the alias",
        "deployguard doctor FUNCTION --policy --commands routes",
        expected="all that calls the function, as --routes required demands",
    ),
    "DG311": Kind(
        "The self-test fails",
        "the code, or something that it depends on, does not work in these containers",
        "read the function's log of this time, and mend what the self-test names",
        "aws logs filter-log-events --log-group-name /aws/lambda/NAME",
    ),
    "DG312": Kind(
        "A container behaves otherwise when it is older",
        "old state of a process: something that was made when it started, such as a deadline, a "
        "token or a connection, is no longer good",
        "make it anew in each invocation; replacing the containers helps until the next are as old",
        "deployguard refresh FUNCTION --alias ALIAS --remedy publish",
    ),
    "DG313": Kind(
        "No self-test tells how containers age",
        "the image has none, or a helper from before there were any, so only the canary itself "
        "was seen to age",
        "give the canary a self-test: `@canary(self_test=...)`, and build again",
        "docker build $(deployguard stamp) --provenance=false .",
        severity=Severity.WARNING,
    ),
    "DG314": Kind(
        "A shard is missing, or does not belong here",
        "a job did not run, was killed, or left no report; or two of them made different plans, "
        "from different files or while functions came and went",
        "run what is missing again, and merge the reports of one plan, each of them once",
        "deployguard report merge FILES",
        expected="one report of each shard, all of one plan",
    ),
}
