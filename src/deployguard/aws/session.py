"""One botocore session, its clients on demand, and every AWS error turned into one of ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from deployguard.errors import AccessDenied, AwsFailure, ConfigurationError, NotFound

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_ecr.client import ECRClient
    from mypy_boto3_lambda.client import LambdaClient

ATTEMPTS = 4  # of one call, the first one included
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
MISSING = {
    "ProvisionedConcurrencyConfigNotFoundException",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
}
CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}


class Session:
    """The usual credential, region and profile chain; clients share one botocore session."""

    def __init__(self, *, region: str | None = None) -> None:
        """Prefer `region`, that of the function's ARN, over the chain's."""
        self._session = botocore.session.get_session()
        self._region = region
        self._ahead_s = 0.0  # AWS's clock, less this process's monotonic one
        self._has_asked = False

    @cached_property
    def functions(self) -> LambdaClient:
        """Return the Lambda client of the control plane."""
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def invoker(self) -> LambdaClient:
        """Return a Lambda client that sends each request at most once."""
        client: LambdaClient = self._client("lambda", attempts=1)
        return client

    @cached_property
    def registry(self) -> ECRClient:
        """Return the ECR client."""
        client: ECRClient = self._client("ecr")
        return client

    @cached_property
    def metrics(self) -> CloudWatchClient:
        """Return the CloudWatch client."""
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def ca_bundle(self) -> str | None:
        """Return the CA file that the SDK is configured with."""
        path: str | None = self._session.get_config_variable("ca_bundle")
        return path

    @cached_property
    def region(self) -> str:
        """Return the region that calls go to."""
        region: str | None = self._region or self._session.get_config_variable("region")
        if not region:
            raise ConfigurationError(
                "no AWS region is configured",
                fix="set AWS_DEFAULT_REGION, or name the function by its ARN",
            )
        return region

    def now(self) -> float:
        """Return the time as Unix seconds by AWS's clock, as its last answer told it.

        What outlives this process is dated by it, since the clocks of two machines may differ.
        """
        return time.monotonic() + self._ahead_s if self._has_asked else time.time()

    def _read_clock(self, http_response: Any, **_: Any) -> None:
        told = http_response.headers.get("date")
        with suppress(TypeError, ValueError):
            self._ahead_s = parsedate_to_datetime(told).timestamp() - time.monotonic()
            self._has_asked = True

    def _client(self, service: str, *, attempts: int = ATTEMPTS) -> Any:
        config = Config(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra="deployguard",
        )
        with translated(f"create a client for {service}"):
            client = self._session.create_client(service, region_name=self.region, config=config)
        client.meta.events.register("after-call.lambda", self._read_clock)
        return client


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever botocore raises inside into one of our errors, saying what was being done."""
    try:
        yield
    except ClientError as error:
        raise _from_answer(doing, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigurationError(
            f"no usable AWS credentials: {error}",
            cause="neither the environment, the profile nor a role provides them",
            fix="configure credentials before this step, e.g. by the platform's OIDC login",
        ) from error
    except ProfileNotFound as error:
        raise ConfigurationError(str(error), fix="check AWS_PROFILE") from error
    except (NoConnectionError, HTTPClientError) as error:
        raise AwsFailure(
            f"could not {doing}: {error}",
            cause="the endpoint did not answer, or not in time",
            fix="run again; writes carry the revision they were decided on",
            maybe_applied=True,
        ) from error
    except BotoCoreError as error:
        raise AwsFailure(f"could not {doing}: {error}") from error


def _from_answer(doing: str, error: ClientError) -> AwsFailure:
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message", "")
    happened = f"could not {doing}: {code}: {message}"
    if code in DENIED:
        return AccessDenied(
            happened,
            code=code,
            cause=f"the role may not call {error.operation_name}",
            fix="grant the action; README lists the policy",
        )
    if code in MISSING:
        return NotFound(happened, code=code, fix="check the name, the account and the region")
    if code in CREDENTIALS:
        return AwsFailure(
            happened,
            code=code,
            cause="the credentials are expired or not valid here",
            fix="log in again before this step",
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return AwsFailure(happened, code=code, maybe_applied=status >= 500)
