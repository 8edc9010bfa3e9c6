"""Findings about what serves callers: old containers, or a route that ends elsewhere."""

from __future__ import annotations

from deployguard.findings.kind import Kind

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
}
