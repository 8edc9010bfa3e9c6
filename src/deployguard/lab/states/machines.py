"""State machines, which moto keeps: read as they are when an execution starts."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from deployguard.lab import calls
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.nouns import AwsError
from deployguard.lab.states.execution import Machine


class Machines:
    """How state machines are found, by whatever ARN."""

    def __init__(self, ask: Callable[[Call], Awaitable[Answer]]) -> None:
        """Ask moto by a call of its API."""
        self.ask = ask

    async def find(self, region: str, arn: str) -> Machine:
        """Return a state machine, or the version of it that the ARN names or its alias picks.

        Raises:
            AwsError: there is none.
        """
        base, _, qualifier = _split(arn)
        if not qualifier or qualifier.isdigit():
            found = await self._described(region, arn)
            return replace(found, arn=base, version_arn=arn if qualifier else None)
        answer = await self._asked(region, "DescribeStateMachineAlias", stateMachineAliasArn=arn)
        routes = answer["routingConfiguration"]
        (picked,) = random.choices(routes, [each["weight"] for each in routes])
        version = picked["stateMachineVersionArn"]
        found = await self._described(region, version)
        return replace(found, arn=base, version_arn=version, alias_arn=arn)

    async def told(self, region: str, arn: str) -> dict[str, Any]:
        """Return what DescribeStateMachine tells, with the revision that moto leaves out."""
        told = await self._asked(region, "DescribeStateMachine", stateMachineArn=arn)
        text = told["definition"] + told["roleArn"]
        return told | {"revisionId": str(uuid.uuid5(uuid.NAMESPACE_OID, text))}

    async def _described(self, region: str, arn: str) -> Machine:
        told = await self.told(region, arn)
        return Machine(
            arn=told["stateMachineArn"],
            name=told["name"],
            region=region,
            text=told["definition"],
            program=json.loads(told["definition"]),
            role=told["roleArn"],
            kind=told.get("type") or "STANDARD",
            updated=float(told["creationDate"]),
            revision=told["revisionId"],
            logging=told.get("loggingConfiguration") or {},
            encryption=told.get("encryptionConfiguration") or {},
        )

    async def _asked(self, region: str, operation: str, **members: Any) -> dict[str, Any]:
        credential = f"Credential=LAB/20260101/{region}/states/aws4_request"
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 {credential}",
            "content-type": "application/x-amz-json-1.0",
            "host": f"states.{region}.amazonaws.com",
            "x-amz-target": f"AWSStepFunctions.{operation}",
        }
        scope = {
            "method": "POST",
            "scheme": "http",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        call = calls.parse(scope, json.dumps(members).encode(), request_id=str(uuid.uuid4()))
        answer = await self.ask(call)
        told = json.loads(answer.body)
        if answer.status >= 400:
            code = str(told["__type"]).rpartition("#")[2]
            raise AwsError(answer.status, code, told.get("message") or told.get("Message") or "")
        return dict(told)


def _split(arn: str) -> tuple[str, str, str]:
    """Return the ARN of the machine itself, and the version or alias."""
    *head, name = arn.split(":", 6)
    base, colon, qualifier = name.partition(":")
    return ":".join([*head, base]), colon, qualifier
