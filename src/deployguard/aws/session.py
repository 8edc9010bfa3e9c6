"""One botocore session, its clients on demand, and the patience with which AWS is called."""

from __future__ import annotations

import copy
import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, DeferredRefreshableCredentials

from deployguard.aws import failures
from deployguard.aws.aside import begun
from deployguard.aws.common import Common
from deployguard.errors import AwsFailure, ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_ecr.client import ECRClient
    from mypy_boto3_lambda.client import LambdaClient

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 4  # of one call, the first one included
CONNECT_S = 5.0
READ_S = 20.0
MARGIN_S = 1.0  # for a last call, where its timeouts are longer than what is left
TOKENS = {  # what names the next page, and the parameter that asks for it
    "NextMarker": "Marker",
    "NextToken": "NextToken",
    "nextToken": "nextToken",
    "position": "position",
}
BEGAN = "deployguard_began"  # of a call's context: when it was sent
CONNECTIONS = 64  # that a client keeps for the calls of several runs
CALLING: ContextVar[Session | None] = ContextVar("CALLING", default=None)
RESOURCES = {"FunctionName": "lambda:{}:*:function:", "repositoryName": "ecr:{}:*:repository/"}


class Session:
    """The usual credential, region and profile chain; clients share one botocore session.

    Each call goes through `read` or `write`. botocore itself repeats nothing.
    """

    def __init__(self, *, region: str | None = None) -> None:
        """Prefer `region`, that of the function's ARN, over the chain's."""
        self._session = botocore.session.get_session()
        self._region = region
        self._clients: dict[tuple[Any, ...], Any] = {}  # those of sessions beside this one, too
        self._making = threading.Lock()  # botocore makes one client at a time
        self._connect_s, self._read_s = CONNECT_S, READ_S
        self.deadline = math.inf  # the monotonic moment after which nothing is repeated
        self._ahead_s = 0.0  # AWS's clock, less this process's monotonic one
        self._has_asked = False
        self.announce: Callable[[str, str], None] = lambda *_: None  # told service and endpoint
        self._begun: dict[str, Future[Any]] = {}
        self.common: Common | None = None  # where what others read is known, and what this reads
        # Where many have to hurry at once, making clients anew would take what time is left.
        self.is_one_of_many = False
        self.before_attempt: Callable[[], None] = lambda: None  # may raise, so that none is made
        self.explain: Callable[[str], None] = lambda _: None  # told each call, and each repetition

    def hurry(self, seconds: float) -> None:
        """From now on use timeouts so short that even a call that hangs ends in these seconds."""
        if self.is_one_of_many:
            self.deadline = time.monotonic() + seconds - MARGIN_S
            return
        self._connect_s, self._read_s = min(CONNECT_S, seconds / 6), min(READ_S, seconds / 3)
        self.deadline = time.monotonic() + seconds - self._connect_s - self._read_s

    def beside(self, before_each: Callable[[str, str], None], *, until: float) -> Session:
        """Return a session of the same credentials, for calls beside those of this one.

        Each of them is announced with its service and endpoint before it is sent, and none is
        repeated after the monotonic moment `until`.
        """
        outer = self.announce

        def before_both(service: str, endpoint: str) -> None:
            before_each(service, endpoint)
            outer(service, endpoint)

        other = copy.copy(self)
        other.announce = before_both
        other.deadline = until
        return other

    def assuming(self, role: str) -> Session:
        """Return a session of a role, which is assumed for the first call, and again in time."""
        other = Session(region=self.region)

        def assume() -> dict[str, str]:
            client = self.client("sts")
            answer: Any = self.read(
                f"assume role {role}",
                client.assume_role,
                RoleArn=role,
                RoleSessionName="deployguard",
            )
            found = answer["Credentials"]
            return {
                "access_key": found["AccessKeyId"],
                "secret_key": found["SecretAccessKey"],
                "token": found["SessionToken"],
                "expiry_time": found["Expiration"].isoformat(),
            }

        resolver = other._session.get_component("credential_provider")
        resolver.providers.insert(0, _Assumed(assume))
        return other

    def read(self, doing: str, call: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Make a call that changes nothing; repeat it while the trouble may pass."""

        def ask() -> T:
            return self._call(doing, lambda: call(*arguments, **named), named=named, writes=False)

        if self.common is not None:
            question = json.dumps(
                [doing, call.__name__, arguments, named], sort_keys=True, default=str
            )
            return self.common.answer(question, ask, until=self.deadline)
        answer: Future[T] | None = self._begun.pop(doing, None)
        return ask() if answer is None else answer.result()

    def begin(
        self, doing: str, call: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> None:
        """Begin a read; the next one that does the same waits for its answer."""

        def ask() -> T:
            return self._call(doing, lambda: call(*arguments, **named), named=named, writes=False)

        self._begun[doing] = begun(ask, doing)

    def read_all(
        self, doing: str, call: Callable[..., Any], member: str, **named: Any
    ) -> Iterator[Any]:
        """Yield what all pages of a list hold; each has to hold it, be it empty."""
        asked: set[str] = set()
        while True:
            page = self.read(doing, call, **named)
            if member not in page:
                raise _unusable(doing, f"the answer holds no {member}")
            yield from page[member]
            token = next((each for each in TOKENS if page.get(each)), None)
            if token is None:
                return
            if page[token] in asked:
                raise _unusable(doing, "its pages go round in a circle")
            asked.add(page[token])
            named[TOKENS[token]] = page[token]

    def write(
        self, doing: str, call: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Make a call that changes something; repeat it only where AWS did nothing.

        Where the outcome is unknown, the failure says so, and its caller reads before it goes on.
        """
        return self._call(doing, lambda: call(*arguments, **named), named=named, writes=True)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Have the calls within announced and told as those of this session."""
        outer = CALLING.set(self)
        try:
            yield
        finally:
            CALLING.reset(outer)

    def pause(self, attempt: int) -> bool:
        """Wait before the next attempt, longer each time; return False where no time is left."""
        seconds = random.uniform(0.5, 1.0) * 2 ** (attempt - 2)  # noqa: S311 - no secret
        if time.monotonic() + seconds > self.deadline:
            return False
        time.sleep(seconds)
        return True

    @property
    def functions(self) -> LambdaClient:
        """Return the Lambda client."""
        client: LambdaClient = self._client("lambda")
        return client

    @property
    def canaries(self) -> LambdaClient:
        """Return a Lambda client for nothing but preparing requests."""
        client: LambdaClient = self._client("lambda", kind="canaries")
        return client

    @property
    def registry(self) -> ECRClient:
        """Return the ECR client."""
        client: ECRClient = self._client("ecr")
        return client

    @property
    def metrics(self) -> CloudWatchClient:
        """Return the CloudWatch client."""
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @property
    def queues(self) -> Any:
        """Return the SQS client."""
        return self._client("sqs")

    def client(self, service: str) -> Any:
        """Return the client of any service."""
        return self._client(service)

    def endpoint(self, service: str) -> tuple[str, bool]:
        """Return where calls to a service go, and whether that is AWS's own address of it."""
        taken: str = self._client(service).meta.endpoint_url
        config = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]
        own = self._session.create_client(service, region_name=self.region, config=config)
        return taken, taken == own.meta.endpoint_url

    @property
    def timeouts(self) -> tuple[float, float]:
        """Return how long a call may take to connect, and then to answer."""
        return self._connect_s, self._read_s

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

    @property
    def partition(self) -> str:
        """Return the partition of the region: aws, or a country's or government's own."""
        return self._session.get_partition_for_region(self.region)

    def now(self) -> float:
        """Return the time as Unix seconds by AWS's clock, as its last answer told it.

        What outlives this process is dated by it, since the clocks of two machines may differ.
        """
        return time.monotonic() + self._ahead_s if self._has_asked else time.time()

    def set_clock(self, told: str | None) -> None:
        """Set AWS's clock by the date of an answer, where that has one that can be read."""
        with suppress(TypeError, ValueError):
            date = parsedate_to_datetime(told)  # type: ignore[arg-type]
            self._ahead_s = date.timestamp() - time.monotonic()
            self._has_asked = True

    def _call(
        self, doing: str, call: Callable[[], T], *, named: Mapping[str, Any], writes: bool
    ) -> T:
        resource = self._resource(named)
        for attempt in range(1, ATTEMPTS + 1):
            self.before_attempt()
            try:
                with self.calling(), failures.translated(doing, writes=writes, resource=resource):
                    return call()
            except AwsFailure as failure:
                is_last = attempt == ATTEMPTS
                if is_last or not failures.is_repeated(failure, writes=writes):
                    raise
                self.explain(f"could not {doing}: {failure.trouble.value}; trying again")
                if not self.pause(attempt):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _resource(self, named: Mapping[str, Any]) -> str:
        """Return an ARN pattern for what a call names; AWS does not always say it."""
        for member, pattern in RESOURCES.items():
            if member in named:
                name = str(named[member])
                whole = f"arn:{self.partition}:{pattern.format(self.region)}{name}"
                return name if name.startswith("arn:") else whole
        return ""

    def _client(self, service: str, *, kind: str = "") -> Any:
        wanted = service, kind, self._connect_s, self._read_s
        with self._making:
            if wanted not in self._clients:
                self._clients[wanted] = self._new_client(service)
            return self._clients[wanted]

    def _new_client(self, service: str) -> Any:
        config = Config(
            connect_timeout=self._connect_s,
            read_timeout=self._read_s,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="deployguard",
        )
        with failures.translated(f"create a client for {service}"):
            try:
                client = self._session.create_client(
                    service, region_name=self.region, config=config
                )
            except ValueError as error:
                raise ConfigurationError(
                    f"could not create a client for {service}: {error}",
                    fix="check AWS_ENDPOINT_URL and the AWS configuration file",
                ) from error
        client.meta.events.register("before-call", partial(_announce, client))
        client.meta.events.register("after-call", _tell_answer)
        client.meta.events.register("after-call-error", _tell_error)
        client.meta.events.register("before-parse", failures.refuse_unreadable)
        return client


def _announce(client: Any, *, model: Any, context: Any, **_: Any) -> None:
    context[BEGAN] = time.monotonic()
    # Invoke is limited by concurrency, and not by what a control plane takes in a second.
    if (session := CALLING.get()) is not None and model.name != "Invoke":
        session.announce(client.meta.service_model.service_name, client.meta.endpoint_url)


def _tell_answer(event_name: str, context: Any, http_response: Any, **_: Any) -> None:
    if (session := CALLING.get()) is not None:
        if event_name.startswith("after-call.lambda."):
            session.set_clock(http_response.headers.get("date"))
        _tell(session, event_name, context, f"HTTP {http_response.status_code}")


def _tell_error(event_name: str, context: Any, exception: Exception, **_: Any) -> None:
    if (session := CALLING.get()) is not None:
        _tell(session, event_name, context, type(exception).__name__)


def _tell(session: Session, event_name: str, context: Any, ended: str) -> None:
    call = " ".join(event_name.split(".")[1:])
    took = time.monotonic() - context.get(BEGAN, time.monotonic())
    session.explain(f"{call}: {ended} in {took:.3f} s")


class _Assumed(CredentialProvider):
    """Where botocore finds the credentials of a role that we assume ourselves."""

    METHOD = CANONICAL_NAME = "deployguard-assume-role"

    def __init__(self, assume: Callable[[], dict[str, str]]) -> None:
        """Assume the role when credentials are first asked for."""
        super().__init__()
        self._assume = assume

    def load(self) -> Any:
        """Return credentials that are renewed before they expire."""
        return DeferredRefreshableCredentials(self._assume, self.METHOD)


def _unusable(doing: str, why: str) -> AwsFailure:
    return AwsFailure(
        f"could not {doing}: {why}",
        cause="the answer was cut short, or is not AWS's",
        fix="check the proxy and AWS_ENDPOINT_URL, and run again",
    )
