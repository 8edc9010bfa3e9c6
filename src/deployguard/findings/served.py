"""Findings about what serves callers: old containers, or a route that ends elsewhere."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

KINDS = {
    "DG201": Kind(
        "Warm containers still run another build",
        "containers of $LATEST from before the update have not been replaced",
        "send traffic through an alias, which leaves old containers behind at once; "
        "or replace them with a configuration change",
        "deployguard refresh FUNCTION:'$LATEST' --remedy configure",
    ),
    "DG202": Kind(
        "The route ends at another image",
        "nobody moved this qualifier to the new version",
        "point the qualifier at the published version",
        "deployguard check FUNCTION --alias QUALIFIER",
    ),
    "DG203": Kind(
        "Weights still send traffic to another image",
        "a gradual shift was left unfinished",
        "send UpdateAlias with empty AdditionalVersionWeights",
        "aws lambda update-alias --function-name FUNCTION --name QUALIFIER "
        "--routing-config 'AdditionalVersionWeights={}'",
    ),
    "DG204": Kind(
        "The route still answers with another build",
        "the alias move has not reached every part of AWS, or invocations from before it linger",
        "check again with a longer --grace; if it stays so, tell AWS",
        "deployguard check FUNCTION --alias QUALIFIER --grace 120",
    ),
    "DG205": Kind(
        "Containers survived the remedy",
        "the remedy does not replace containers that are busy, or AWS keeps them for other reasons",
        "refresh again with `--remedy publish` and traffic through an alias, which leaves old "
        "containers behind at once",
        "deployguard refresh FUNCTION --alias ALIAS --remedy publish",
    ),
    "DG206": Kind(
        "A version is called by its number, and holds another image",
        "whoever calls it names a version, which nobody can move, instead of an alias",
        "name the alias instead of the number, and deploy that definition; a number that is "
        "meant to stay is left out by --ignore",
        "deployguard routes FUNCTION:QUALIFIER",
    ),
    "DG207": Kind(
        "Callers go around the alias",
        "they name the function without a qualifier, so each update reaches them at once, "
        "before any check, and putting the alias back does not",
        "let them name the alias",
        "deployguard routes FUNCTION:'$LATEST'",
        severity=Severity.WARNING,
    ),
    "DG208": Kind(
        "A stage variable names another build",
        "the stage of the API makes the qualifier of a variable, which names an alias that "
        "nobody moved",
        "set the stage variable to the alias that is deployed, or move the one that it names",
        "aws apigateway update-stage --rest-api-id API --stage-name STAGE "
        "--patch-operations op=replace,path=/variables/VARIABLE,value=ALIAS",
    ),
    "DG209": Kind(
        "Callers name a qualifier that does not exist",
        "the alias or version was deleted, or never created, so these calls fail",
        "create the alias, or let its callers name one that exists",
        "aws lambda create-alias --function-name FUNCTION --name QUALIFIER "
        "--function-version VERSION",
        expected="callers of qualifiers that exist",
    ),
    "DG210": Kind(
        "A function runs this image, and is in no fleet",
        "it was forgotten when functions were listed, so no deploy updates or checks it",
        "add it to the [[functions]] of the settings file; with `skip = true` if it is meant to "
        "stay as it is",
        "deployguard plan",
        expected="every function that runs images of the repository in the settings file",
        severity=Severity.WARNING,
    ),
}
