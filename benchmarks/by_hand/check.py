"""What `deployguard check` does, as the shortest boto3 script, without lease and way back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import urllib3

HOLD_MS = 100
PROBES = 5
SETTLE_S = 2.0
name, alias = sys.argv[1], "live"
lam, ecr = boto3.client("lambda"), boto3.client("ecr")


def probe(qualifier: str, *, hold_ms: int = HOLD_MS) -> None:
    """Invoke once and insist on the build that was shipped."""
    canary = {"canary": 1, "nonce": secrets.token_hex(16), "hold_ms": hold_ms}
    answer = lam.invoke(
        FunctionName=name, Qualifier=qualifier, Payload=json.dumps({"deployguard": canary})
    )
    crumb = json.load(answer["Payload"])["deployguard"]
    assert crumb["nonce"] == canary["nonce"]
    assert crumb["stamp"]["build_id"] == build_id
    assert answer["ExecutedVersion"] == version


latest = lam.get_function(FunctionName=name)
before = lam.get_alias(FunctionName=name, Name=alias)
lam.get_function(FunctionName=name, Qualifier=before["FunctionVersion"])
list(lam.get_paginator("list_versions_by_function").paginate(FunctionName=name))

repository, digest = latest["Code"]["ResolvedImageUri"].split("/", 1)[1].split("@")
image = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
config_digest = json.loads(image["images"][0]["imageManifest"])["config"]["digest"]
url = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=config_digest)
trusted = urllib3.PoolManager(ca_certs=os.environ.get("AWS_CA_BUNDLE"))
config = trusted.request("GET", url["downloadUrl"]).data
assert f"sha256:{hashlib.sha256(config).hexdigest()}" == config_digest
build_id = json.loads(config)["config"]["Labels"]["dev.deployguard.build-id"]

version = lam.publish_version(
    FunctionName=name,
    CodeSha256=latest["Configuration"]["CodeSha256"],
    RevisionId=latest["Configuration"]["RevisionId"],
)["Version"]
probe(version, hold_ms=0)
lam.update_alias(
    FunctionName=name,
    Name=alias,
    FunctionVersion=version,
    RoutingConfig={"AdditionalVersionWeights": {}},
    RevisionId=before["RevisionId"],
)
with contextlib.suppress(lam.exceptions.ProvisionedConcurrencyConfigNotFoundException):
    lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=alias)

lam.get_alias(FunctionName=name, Name=alias)
with ThreadPoolExecutor(PROBES) as pool:
    first = time.monotonic()
    list(pool.map(probe, [alias] * PROBES))
    time.sleep(max(0.0, first + SETTLE_S - time.monotonic()))
    list(pool.map(probe, [alias] * 2))
assert lam.get_alias(FunctionName=name, Name=alias)["FunctionVersion"] == version
