"""Every problem that has a name: its id, title, likely cause, and fix, in one table."""

from __future__ import annotations

from typing import NamedTuple

from deployguard.model import Finding, Severity

HELP = "https://github.com/deployguard/deployguard/blob/main/docs/findings.md"


class Kind(NamedTuple):
    """One row of the table: what is always true of a finding of this id."""

    title: str
    cause: str
    fix: str
    severity: Severity = Severity.ERROR


KINDS = {
    "DG101": Kind(
        "The function does not run this image",
        "the deploy step did not update the function, or updated another one",
        "run UpdateFunctionCode with the image's digest, then check again",
    ),
    "DG102": Kind(
        "No build id is known for the image",
        "it was built without the labels that `deployguard stamp` prints, or the role may not "
        "read it from ECR",
        "build with `docker build $(deployguard stamp) .`, or pass the build's --stamp file",
    ),
    "DG103": Kind(
        "The stamp file and the image disagree",
        "the pipeline passes the stamp of another build, or deployed another image",
        "pass the build-stamp.json that was copied into this very image",
    ),
    "DG104": Kind(
        "The image is old inside",
        "a build cache or a stale build context put another build's stamp into this image",
        "write the stamp before `docker build`, and copy it in after the cached steps",
    ),
    "DG105": Kind(
        "The function's last update failed",
        "AWS could not apply the new image, and the old code keeps serving",
        "mend what the reason names, then update the function again",
    ),
    "DG106": Kind(
        "The function's update did not finish in time",
        "AWS is still applying it, and the old code serves meanwhile",
        "check again, or give a longer --timeout",
    ),
    "DG107": Kind(
        "Containers from before the update claim this build",
        "two images were given one build id, or only the configuration was updated",
        "give each build a build id of its own, as `deployguard stamp` does; "
        "or wait until these containers are gone",
    ),
    "DG108": Kind(
        "The self-test fails",
        "the code, or something that it depends on, does not work in these containers",
        "read the function's log of this time, and mend what the self-test names",
    ),
    "DG109": Kind(
        "A container behaves otherwise when it is older",
        "old state of a process: something that was made when it started, such as a deadline, a "
        "token or a connection, is no longer good",
        "make it anew in each invocation; replacing the containers helps until the next are as old",
    ),
    "DG110": Kind(
        "No self-test tells how containers age",
        "the image has none, or a helper from before there were any, so only the canary itself "
        "was seen to age",
        "give the canary a self-test: `@canary(self_test=...)`",
        severity=Severity.WARNING,
    ),
    "DG201": Kind(
        "Warm containers still run another build",
        "containers of $LATEST from before the update have not been replaced",
        "send traffic through an alias, which leaves old containers behind at once; "
        "or replace them with a configuration change",
    ),
    "DG202": Kind(
        "The route ends at another image",
        "nobody moved this qualifier to the new version",
        "point the qualifier at the published version",
    ),
    "DG203": Kind(
        "Weights still send traffic to another image",
        "a gradual shift was left unfinished",
        "send UpdateAlias with empty AdditionalVersionWeights",
    ),
    "DG204": Kind(
        "The route still answers with another build",
        "the alias move has not reached every part of AWS, or invocations from before it linger",
        "check again with a longer --grace; if it stays so, tell AWS",
    ),
    "DG205": Kind(
        "Containers survived the remedy",
        "the remedy does not replace containers that are busy, or AWS keeps them for other reasons",
        "refresh again with `--remedy publish` and traffic through an alias, which leaves old "
        "containers behind at once",
    ),
    "DG206": Kind(
        "A version is called by its number, and holds another image",
        "whoever calls it names a version, which nobody can move, instead of an alias",
        "name the alias instead of the number, and deploy that definition; a number that is "
        "meant to stay is left out by --ignore",
    ),
    "DG207": Kind(
        "Callers go around the alias",
        "they name the function without a qualifier, so each update reaches them at once, "
        "before any check, and putting the alias back does not",
        "let them name the alias",
        severity=Severity.WARNING,
    ),
    "DG208": Kind(
        "A stage variable names another build",
        "the stage of the API makes the qualifier of a variable, which names an alias that "
        "nobody moved",
        "set the stage variable to the alias that is deployed, or move the one that it names",
    ),
    "DG209": Kind(
        "Callers name a qualifier that does not exist",
        "the alias or version was deleted, or never created, so these calls fail",
        "create the alias, or let its callers name one that exists",
    ),
    "DG301": Kind(
        "No breadcrumb came back",
        "the handler in this image is not wrapped by deployguard.canary",
        "decorate the handler with @canary and build again",
    ),
    "DG302": Kind(
        "The function failed on the canary",
        "it raised, crashed or ran out of time before it could answer",
        "read the function's log of this time, and mend what it names",
    ),
    "DG303": Kind(
        "Probes were throttled",
        "no concurrency is left for them: a reserved or account limit is reached",
        "raise the limit, or check when less traffic runs",
    ),
    "DG304": Kind(
        "Too little evidence",
        "the probes did not reach every container in the given time or number",
        "give more --timeout or --max-probes, or send traffic through an alias",
    ),
    "DG305": Kind(
        "The evidence contradicts itself",
        "a response was cached, replayed or forged, or the stamp is not this image's",
        "make sure that the handler answers canaries itself, with the helper unchanged",
    ),
    "DG306": Kind(
        "Probes may not invoke the route",
        "the role lacks lambda:InvokeFunction on this qualifier",
        "grant it on both the function's ARN and ARN:*",
    ),
    "DG307": Kind(
        "Containers belong to tenants",
        "the function isolates tenants, so a canary reaches its own tenant's containers only",
        "nothing settles this from outside; check through each tenant's own calls",
    ),
    "DG308": Kind(
        "Containers are managed instances",
        "one container serves several invocations at once, so a burst cannot count them",
        "compare the version's digest, which GetFunction shows, with the expected one",
    ),
    "DG309": Kind(
        "Provisioned containers are not ready",
        "AWS is still moving provisioned concurrency to the new version, or failed to",
        "wait until it is READY, or mend what the reason names",
    ),
    "DG310": Kind(
        "Not all callers are known",
        "the role may not read some sources, or a caller makes the qualifier at run time",
        "grant what is missing, name what can be read by --sources, or let callers name the alias",
    ),
    "DG401": Kind(
        "Another deploy moved on",
        "somebody changed the alias or the function while this run was checking",
        "check that deploy instead; to prevent races, serialise deploys of this function",
    ),
    "DG402": Kind(
        "The alias could not be put back",
        "AWS refused the change, or did not answer",
        "run the command that the message gives",
    ),
    "DG403": Kind(
        "The lease could not be removed",
        "AWS refused to delete the alias that holds it, or did not answer",
        "run the command that the message gives, before the next deploy",
    ),
    "DG404": Kind(
        "Reserved concurrency could not be restored",
        "another function reserved what this one gave back while it was drained",
        "run the command that the message gives; until then callers are throttled",
    ),
    "DG405": Kind(
        "There is no way back",
        "it is the first deploy, or a lifecycle rule took the image of the previous version",
        "keep images in ECR for as long as a rollback may need them; after a first deploy there "
        "is nothing to do",
        severity=Severity.WARNING,
    ),
}


def finding(
    identifier: str, *, seen: str, expected: str, cause: str = "", fix: str = ""
) -> Finding:
    """Fill a row of the table with what was seen; `cause` and `fix` may be told more exactly."""
    kind = KINDS[identifier]
    return Finding(
        id=identifier,
        title=kind.title,
        seen=seen,
        expected=expected,
        cause=cause or kind.cause,
        fix=fix or kind.fix,
        help=f"{HELP}#{identifier.lower()}",
        severity=kind.severity,
    )
