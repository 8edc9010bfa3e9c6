"""Every way a call to AWS fails, as one table: which codes mean what, and what is repeated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from deployguard.errors import (
    AccessDenied,
    AwsFailure,
    ConfigurationError,
    NoCredentials,
    NotFound,
    Trouble,
)


class Row(NamedTuple):
    """One row of the table: the likely cause, what to do, and AWS's codes for it."""

    cause: str
    fix: str
    codes: tuple[str, ...] = ()


# A code may be tied to one operation, because AWS says the same of different things.
TABLE = {
    Trouble.THROTTLED: Row(
        "the account makes more such calls in a second than AWS allows",
        "run again; serialise deploys that run at the same time",
        (
            "EC2ThrottledException",
            "LimitExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
    ),
    Trouble.UNSENT: Row(
        "the endpoint cannot be reached, so nothing was sent",
        "check the network, the proxy and AWS_ENDPOINT_URL",
    ),
    Trouble.TRANSIENT: Row(
        "AWS had trouble of its own",
        "run again",
        (
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceError",
            "PriorRequestNotComplete",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServerException",
            "ServiceException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "ENINotReadyException",
            "EC2UnexpectedException",
            "ResourceNotReadyException",
        ),
    ),
    Trouble.LOST: Row(
        "the connection broke, or no answer came in time, or none that can be read",
        "run again; writes carry the revision they were decided on",
    ),
    Trouble.CONFLICT: Row(
        "another change is in progress, or what is to be created exists",
        "run again when no other deploy of this function runs",
        ("ResourceConflictException",),
    ),
    Trouble.PRECONDITION: Row(
        "somebody changed it since it was read",
        "check the other deploy; serialise deploys of one function",
        ("PreconditionFailedException", "PublishVersion.InvalidParameterValueException"),
    ),
    Trouble.DENIED: Row(
        "the role may not do that",
        "add the statement that the message gives to the role's policy",
        ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
    ),
    Trouble.MISSING: Row(
        "it was never created, or was deleted",
        "check the name, the account and the region",
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            "DeploymentDoesNotExistException",
            "ExecutionDoesNotExist",
            "ImageNotFoundException",
            "LifecyclePolicyNotFoundException",
            "NoSuchBucket",
            "NoSuchEntity",
            "NoSuchKey",
            "NotFound",
            "NotFoundException",
            "ProvisionedConcurrencyConfigNotFoundException",
            "QueueDoesNotExist",
            "RepositoryNotFoundException",
            "ResourceNotFound",
            "ResourceNotFoundException",
            "StateMachineDoesNotExist",
            "TargetGroupNotFound",
        ),
    ),
    Trouble.CREDENTIALS: Row(
        "the credentials are expired or not valid here",
        "log in again before this step",
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidIdentityToken",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
    ),
    Trouble.PERMANENT: Row(
        "AWS refuses this call, and would again",
        "mend what the message names",
        (  # with status 502, as if they were passing
            "EC2AccessDeniedException",
            "ENILimitReachedException",
            "InvalidRuntimeException",
            "InvalidSecurityGroupIDException",
            "InvalidSubnetIDException",
            "InvalidZipFileException",
            "KMSAccessDeniedException",
            "KMSDisabledException",
            "KMSInvalidStateException",
            "KMSNotFoundException",
            "SubnetIPAddressLimitReachedException",
        ),
    ),
}
BY_CODE = {code: trouble for trouble, row in TABLE.items() for code in row.codes}
REPEATED_WRITES = {Trouble.THROTTLED, Trouble.UNSENT}  # AWS did nothing
UNKNOWN_WRITES = {Trouble.TRANSIENT, Trouble.LOST}  # only reading tells what AWS did
REPEATED_READS = REPEATED_WRITES | UNKNOWN_WRITES

ACTIONS = {  # where the permission is not `lambda:` and the operation's name
    "BatchGetDeployments": "codedeploy:BatchGetDeployments",
    "BatchGetImage": "ecr:BatchGetImage",
    "DescribeImages": "ecr:DescribeImages",
    "GetDownloadUrlForLayer": "ecr:GetDownloadUrlForLayer",
    "GetDeployment": "codedeploy:GetDeployment",
    "GetLifecyclePolicy": "ecr:GetLifecyclePolicy",
    "GetMetricStatistics": "cloudwatch:GetMetricStatistics",
    "GetObject": "s3:GetObject",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetRole": "iam:GetRole",
    "Invoke": "lambda:InvokeFunction",
    "ListDeployments": "codedeploy:ListDeployments",
    "PutObject": "s3:PutObject",
    "PutLifecycleEventHookExecutionStatus": "codedeploy:PutLifecycleEventHookExecutionStatus",
    "SimulatePrincipalPolicy": "iam:SimulatePrincipalPolicy",
    **dict.fromkeys(
        (
            "GetApis",
            "GetAuthorizers",
            "GetExport",
            "GetIntegrations",
            "GetResources",
            "GetRestApis",
            "GetStages",
        ),
        "apigateway:GET",
    ),
    "DescribeExecution": "states:DescribeExecution",
    "DescribeMapRun": "states:DescribeMapRun",
    "DescribeStateMachine": "states:DescribeStateMachine",
    "DescribeStateMachineAlias": "states:DescribeStateMachineAlias",
    "DescribeStateMachineForExecution": "states:DescribeStateMachineForExecution",
    "DescribeTargetGroups": "elasticloadbalancing:DescribeTargetGroups",
    "DescribeTargetHealth": "elasticloadbalancing:DescribeTargetHealth",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "FilterLogEvents": "logs:FilterLogEvents",
    "GetExecutionHistory": "states:GetExecutionHistory",
    "GetMetricData": "cloudwatch:GetMetricData",
    "GetSchedule": "scheduler:GetSchedule",
    "ListEventBuses": "events:ListEventBuses",
    "ListExecutions": "states:ListExecutions",
    "ListMetrics": "cloudwatch:ListMetrics",
    "ListPipes": "pipes:ListPipes",
    "ListRules": "events:ListRules",
    "ListSchedules": "scheduler:ListSchedules",
    "ListStateMachineAliases": "states:ListStateMachineAliases",
    "ListStateMachineVersions": "states:ListStateMachineVersions",
    "ListStateMachines": "states:ListStateMachines",
    "ListSubscriptions": "sns:ListSubscriptions",
    "ListSubscriptionsByTopic": "sns:ListSubscriptionsByTopic",
    "ListTargetsByRule": "events:ListTargetsByRule",
    "LookupEvents": "cloudtrail:LookupEvents",
}
JSON = ("json", "rest-json")
WEB_PAGE = re.compile(rb"\s*<(!doctype )?html", re.IGNORECASE)
UNAUTHORIZED = re.compile(
    r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<resource>\S+))?"
)
EXPLICIT_DENY = re.compile(r"with an explicit deny(?: in (?P<policy>an? [\w -]+))?")
UNAUTHENTICATED = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)


def is_repeated(failure: AwsFailure, *, writes: bool) -> bool:
    """Say whether a call that ended so is to be sent again as it is."""
    return failure.trouble in (REPEATED_WRITES if writes else REPEATED_READS)


def refuse_unreadable(response_dict: Mapping[str, Any], operation_model: Any, **_: Any) -> None:
    """Raise where a success is cut short or not AWS's: botocore would take it for an empty one."""
    shape = operation_model.output_shape
    members = shape.members.values() if shape is not None else ()
    in_body = any("location" not in member.serialization for member in members)
    is_expected = in_body and not operation_model.has_streaming_output
    if response_dict["status_code"] not in (200, 201) or not is_expected:
        return
    body = response_dict["body"]
    if operation_model.service_model.resolved_protocol not in JSON:
        if not body or WEB_PAGE.match(body):
            raise ResponseParserError("the answer is empty, or a web page")
        return
    try:
        is_object = isinstance(json.loads(body), dict)
    except (RecursionError, ValueError) as error:
        raise ResponseParserError(f"the answer is not JSON ({error})") from error
    if not is_object:
        raise ResponseParserError("the answer is no JSON object")


@contextmanager
def translated(doing: str, *, writes: bool = False, resource: str = "") -> Iterator[None]:
    """Turn whatever botocore raises inside into one of our errors, saying what was being done.

    `resource` is what a missing permission is named for where AWS does not say it.
    """
    try:
        yield
    except ClientError as error:
        raise _answered(doing, error, writes=writes, resource=resource) from error
    except ProfileNotFound as error:
        raise ConfigurationError(str(error), fix="check AWS_PROFILE") from error
    except UNAUTHENTICATED as error:
        raise NoCredentials(
            f"no usable AWS credentials: {error}",
            cause="neither the environment, the profile nor a role provides them",
            fix="configure credentials before this step, e.g. by the platform's OIDC login",
            trouble=Trouble.CREDENTIALS,
        ) from error
    except (ConnectTimeoutError, EndpointConnectionError) as error:
        raise _failure(f"could not {doing}: {error}", Trouble.UNSENT, writes=writes) from error
    except (NoConnectionError, HTTPClientError, ResponseParserError) as error:
        raise _failure(f"could not {doing}: {error}", Trouble.LOST, writes=writes) from error
    except BotoCoreError as error:
        raise AwsFailure(f"could not {doing}: {error}", maybe_applied=writes) from error


def _answered(doing: str, error: ClientError, *, writes: bool, resource: str) -> AwsFailure:
    said = error.response.get("Error", {})  # nothing, where the body is not AWS's
    code, message = said.get("Code", ""), said.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation = error.operation_name
    trouble = BY_CODE.get(f"{operation}.{code}") or BY_CODE.get(code) or _by_status(status)
    happened = f"could not {doing}: {code}: {message}"
    if trouble is Trouble.DENIED:
        return _denied(happened, message, operation=operation, resource=resource, code=code)
    return _failure(happened, trouble, writes=writes, code=code)


def _by_status(status: int) -> Trouble:
    if status == 429:
        return Trouble.THROTTLED
    return Trouble.TRANSIENT if status >= 500 else Trouble.PERMANENT


def _failure(happened: str, trouble: Trouble, *, writes: bool, code: str = "") -> AwsFailure:
    row = TABLE[trouble]
    kind = NotFound if trouble is Trouble.MISSING else AwsFailure
    return kind(
        happened,
        cause=row.cause,
        fix=row.fix,
        code=code,
        trouble=trouble,
        maybe_applied=writes and trouble in UNKNOWN_WRITES,
    )


def _denied(
    happened: str, message: str, *, operation: str, resource: str, code: str
) -> AccessDenied:
    """Name the action and the resource, and the statement that allows it or why none will."""
    said = UNAUTHORIZED.search(message)
    action = said["action"] if said else ACTIONS.get(operation, f"lambda:{operation}")
    on = ((said and said["resource"]) or resource or "*").rstrip(".,")
    statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": on})
    cause = f"the role lacks {action} on {on}"
    fix = f"add to the role's policy: {statement}"
    denial = EXPLICIT_DENY.search(message)
    if denial:
        policy = denial["policy"] or "a policy"
        cause = f"{action} on {on} is denied explicitly in {policy}, which outweighs every grant"
        fix = "have the statement with that deny removed or narrowed; granting the action is no use"
    return AccessDenied(happened, cause=cause, fix=fix, code=code, trouble=Trouble.DENIED)
