"""What a warm process has done before any is forked from it: the imports, and the SDK's models."""

from __future__ import annotations

import gc
import importlib
from pathlib import Path

import botocore.session
import pytest  # noqa: F401 (a child imports the main module of the tests again)
import requests  # noqa: F401 (one of those that the commands import late)
from botocore import loaders

import deployguard

PACKAGE = Path(deployguard.__file__).parent
SERVICES = (
    "apigateway", "apigatewayv2", "cloudtrail", "cloudwatch", "codedeploy", "ecr", "elbv2",
    "events", "iam", "lambda", "logs", "pipes", "s3", "scheduler", "sns", "sqs", "stepfunctions",
    "sts",
)  # fmt: skip


def _import_all() -> None:
    """Import what any command would import; the lab has processes of its own."""
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "lab" not in parts and parts[-1] != "__init__":
            importlib.import_module(".".join(parts))


def _read_models() -> None:
    """Read the models of the services, which every session would read again."""
    shared = loaders.Loader()
    vars(botocore.session)["create_loader"] = lambda _path=None: shared
    session = botocore.session.get_session()
    for service in SERVICES:
        session.create_client(
            service, region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-"
        )


_import_all()
_read_models()
gc.collect()
gc.freeze()
