"""What a warm process has done before any is forked from it: the imports, and the SDK's models."""

from __future__ import annotations

import gc

import botocore.session
import pytest  # noqa: F401 (a child imports the main module of the tests again)
from botocore import loaders

from deployguard import burst, cli, config, guard  # noqa: F401
from deployguard.report import document, files, text  # noqa: F401

SERVICES = ("lambda", "ecr", "cloudwatch", "sts", "logs", "iam", "stepfunctions")


def _read_models() -> None:
    """Read the models of the services, which every session would read again."""
    shared = loaders.Loader()
    vars(botocore.session)["create_loader"] = lambda _path=None: shared
    session = botocore.session.get_session()
    for service in SERVICES:
        session.create_client(
            service, region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-"
        )


_read_models()
gc.collect()
gc.freeze()
