"""Operations that moto lacks, or answers with less than AWS does, on what moto keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.nouns import ACCOUNT, AwsError

ANY = "x-amazon-apigateway-any-method"
JSON = (("content-type", "application/json"),)
Exports = dict[tuple[str, str], dict[str, Any]]  # by REST API and deployment


class Mended:
    """What is answered here instead of by moto; it remembers what was deployed."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.exports: Exports = {}
        self.answered: set[str] = set()  # executions of CodeDeploy's hooks
        self.operations: dict[str, Callable[[Call], dict[str, Any]]] = {
            "apigateway.GetExport": self._export,
            "apigateway.GetAuthorizers": _authorizers,
            "codedeploy.PutLifecycleEventHookExecutionStatus": self._put_status,
            "states.ListStateMachineVersions": _versions,
            "states.PublishStateMachineVersion": _publish,
        }

    def serve(self, call: Call) -> Answer | None:
        """Answer a call, or leave it to moto."""
        operation = self.operations.get(f"{call.service}.{call.operation}")
        is_first_api = call.path.startswith("/restapis/")
        if operation is None or (operation is _authorizers and is_first_api):
            return None
        return Answer(200, json.dumps(operation(call)).encode(), JSON)

    def note(self, call: Call, answer: Answer) -> None:
        """Remember what a deployment holds: later edits do not change it."""
        if call.operation == "CreateDeployment" and call.path.startswith("/restapis/"):
            api = call.path.split("/")[2]
            self.exports[api, json.loads(answer.body)["id"]] = _document(call.region, api)

    def _export(self, call: Call) -> dict[str, Any]:
        _, _, api, _, stage, *_ = call.path.split("/")
        stages = _rest_api(call.region, api).stages
        if stage not in stages:
            raise AwsError(404, "NotFoundException", "Invalid stage identifier specified")
        return self.exports[api, stages[stage].deployment_id]

    def _put_status(self, call: Call) -> dict[str, Any]:
        from moto.codedeploy.models import codedeploy_backends

        asked = call.json()
        deployment, execution = asked["deploymentId"], asked["lifecycleEventHookExecutionId"]
        if deployment not in codedeploy_backends[ACCOUNT][call.region].deployments:
            message = f"The deployment {deployment} could not be found"
            raise AwsError(400, "DeploymentDoesNotExistException", message)
        if execution in self.answered:
            message = "The lifecycle event is already completed."
            raise AwsError(400, "LifecycleEventAlreadyCompletedException", message)
        self.answered.add(execution)
        return {"lifecycleEventHookExecutionId": execution}


def _rest_api(region: str, api: str) -> Any:
    from moto.apigateway.models import apigateway_backends

    return apigateway_backends[ACCOUNT][region].get_rest_api(api)


def _document(region: str, name: str) -> dict[str, Any]:
    api = _rest_api(region, name)
    return {
        "swagger": "2.0",
        "info": {"title": api.name},
        "paths": {each.get_path(): _methods(each) for each in api.resources.values()},
        "securityDefinitions": {
            each.name: {
                "type": "apiKey",
                "x-amazon-apigateway-authorizer": {
                    "type": each.type.lower(),
                    "authorizerUri": each.authorizer_uri,
                },
            }
            for each in api.authorizers.values()
        },
    }


def _methods(resource: Any) -> dict[str, Any]:
    return {
        ANY if verb == "ANY" else verb.lower(): {
            "x-amazon-apigateway-integration": {
                "type": method.method_integration.integration_type.lower(),
                "uri": method.method_integration.uri,
            }
        }
        for verb, method in resource.resource_methods.items()
        if method.method_integration is not None
    }


def _authorizers(call: Call) -> dict[str, Any]:
    from moto.apigatewayv2.models import apigatewayv2_backends

    api = apigatewayv2_backends[ACCOUNT][call.region].get_api(call.path.split("/")[3])
    return {"items": [each.to_json() for each in api.authorizers.values()]}


def _versions(call: Call) -> dict[str, Any]:
    newest_first = reversed(_machine(call).versions.values())
    return {
        "stateMachineVersions": [
            {"stateMachineVersionArn": each.arn, "creationDate": each.creation_date.timestamp()}
            for each in newest_first
        ]
    }


def _publish(call: Call) -> dict[str, Any]:
    machine = _machine(call)
    machine.publish(description=call.json().get("description"))
    made = machine.latest_version
    return {"stateMachineVersionArn": made.arn, "creationDate": made.creation_date.timestamp()}


def _machine(call: Call) -> Any:
    from moto.stepfunctions.models import stepfunctions_backends

    arn = call.json().get("stateMachineArn")
    machines = stepfunctions_backends[ACCOUNT][call.region].state_machines
    found = next((machine for machine in machines if machine.arn == arn), None)
    if found is None:
        message = f"State Machine Does Not Exist: '{arn}'"
        raise AwsError(400, "StateMachineDoesNotExist", message)
    return found
