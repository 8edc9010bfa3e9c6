"""Tasks of services other than Lambda and Step Functions: one call, by the SDK."""

from __future__ import annotations

import asyncio
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deployguard.lab.signature import ACCESS_KEY, SECRET_KEY
from deployguard.lab.states.values import FailureError, dumps

if TYPE_CHECKING:
    from deployguard.lab.states.walker import World

CLIENTS = {"sfn": "stepfunctions", "states": "stepfunctions", "eventbridge": "events"}


async def call(world: World, region: str, service: str, action: str, given: Any) -> Any:
    """Make a call of a service and return its answer as Tasks show it.

    Raises:
        FailureError: the service refused, or there is no such call.
    """
    return await asyncio.to_thread(_call, world.port, region, service, action, given)


def _call(port: int, region: str, service: str, action: str, given: Any) -> Any:
    prefix = f"{service[0].upper()}{service[1:]}"
    try:
        client = _client(port, region, CLIENTS.get(service, service))
        method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower()
        answer = getattr(client, method)(**_parameters(client, method, given or {}))
    except ClientError as refusal:
        told, about = refusal.response["Error"], refusal.response["ResponseMetadata"]
        detail = f"Status Code: {about['HTTPStatusCode']}, Request ID: {about['RequestId']}"
        code = told["Code"] if told["Code"].endswith("Exception") else f"{told['Code']}Exception"
        cause = f"{told['Message']} (Service: {prefix}, {detail})"
        raise FailureError(f"{prefix}.{code}", cause) from None
    except (AttributeError, BotoCoreError) as problem:
        raise FailureError("States.Runtime", str(problem)) from None
    about = answer.pop("ResponseMetadata")
    shown = {_upper(name): value for name, value in answer.items()}
    return json.loads(dumps_any(shown)) | {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in about["HTTPHeaders"].items()},
            "HttpHeaders": about["HTTPHeaders"],
            "HttpStatusCode": about["HTTPStatusCode"],
        },
        "SdkResponseMetadata": {"RequestId": about["RequestId"]},
    }


@lru_cache(maxsize=32)
def _client(port: int, region: str, service: str) -> Any:
    return boto3.Session(ACCESS_KEY, SECRET_KEY).client(  # type: ignore[call-overload]
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _parameters(client: Any, method: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters in the letter case of the service, with JSON where it takes text."""
    operation = client.meta.method_to_api_mapping[method]
    shape = client.meta.service_model.operation_model(operation).input_shape
    members = {name.lower(): (name, of.type_name) for name, of in shape.members.items()}
    found = {}
    for name, value in given.items():
        known, kind = members.get(name.lower(), (name, ""))
        is_text = kind in ("string", "blob") and not isinstance(value, str)
        found[known] = dumps(value) if is_text else value
    return found


def _upper(name: str) -> str:
    return name[0].upper() + name[1:]


def dumps_any(value: Any) -> str:
    """Return JSON of what an SDK returned, dates and streams as text."""
    return json.dumps(
        value,
        default=lambda other: (
            other.read().decode() if hasattr(other, "read") else other.isoformat()
        ),
    )
