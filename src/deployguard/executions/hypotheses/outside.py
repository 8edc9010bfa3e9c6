"""Hypotheses about what the function depends on: other services, and the way to them."""

from __future__ import annotations

import re

from deployguard.executions import separate
from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import (
    UNDECIDED,
    Judged,
    Standing,
    Theory,
    excluded,
)

DEPENDENCY = Theory(
    "H7",
    "a service that the function depends on fails",
    "an error of a client library, after that client's own time limit; cold ones fail as well",
    "look at the service that the message names; retry in the handler with a limit of its own",
    "call that service from elsewhere now; start the execution again once it answers",
)
NETWORK = Theory(
    "H9",
    "the way through the VPC, or a file system",
    "errors of connecting, at a container's first use only, in a function that has a VPC",
    "check subnets, routes, security groups and free addresses of the VPC",
    "invoke a fresh version outside of the VPC, or from another subnet",
    is_of_calls=True,
)
OF_A_CLIENT = re.compile(
    r"Connect(?:ion|Timeout)\w*(?:Error|Exception|Refused|Reset|Aborted)?\b|ReadTimeout|URLError"
    r"|HTTPError|gaierror|MaxRetryError|RemoteDisconnected|BrokenPipeError|SSLError|NameResolution"
    r"|OperationalError|InterfaceError|EndpointConnectionError|socket\.timeout|ECONN\w+|ETIMEDOUT"
    r"|ENOTFOUND|Bad Gateway|Service Unavailable|ServiceUnavailable|ThrottlingException"
    r"|An error occurred \((?:Throttl|Internal|Service|Provisioned|RequestLimit|Slow)\w+\)"
)
LIBRARIES = re.compile(
    r"(?:urllib|urllib3|requests|httpx|httpcore|aiohttp|botocore|psycopg2?|pymysql|redis|pymongo"
    r"|grpc|http/client|socket)(?:/\w+)*\.py"
)
OF_THE_NETWORK = ("ENILimitReached", "EC2Throttled", "EC2Unexpected", "SubnetIPAddress", "EFS")


def dependency(failure: Failure) -> Judged:
    """Judge whether it is a service behind the function; containers of all ages would fail."""
    said = failure.said
    named = OF_A_CLIENT.search(f"{failure.error} {said.kind}") or OF_A_CLIENT.search(said.message)
    through = LIBRARIES.search(said.trace)
    warmth = separate.by_warmth(failure.trials)
    if warmth is not None and warmth.is_perfect and warmth.is_proof:
        return excluded(str(warmth), "cold containers reach whatever they need")
    if not named and not through:
        if failure.is_timer:
            why = "a timer of the application ran out, and nothing says what it waited for"
            return Judged(Standing.POSSIBLE, f"the error is {said.kind}", why)
        return excluded(f"the error is {said.kind}", "nothing in it speaks of another service")
    seen = f"the error is {said.kind}" + (f", raised in {through[0]}" if through else "")
    if not named:
        return Judged(Standing.POSSIBLE, seen, "a client raised it, perhaps at what it was given")
    cold = sum(bool(each.is_cold) for each in failure.invocations)
    if cold:
        seen += f"; {cold} of {len(failure.invocations)} that failed were cold"
        return Judged(Standing.PROVEN, seen, "a client's error, in a container without a past")
    return Judged(Standing.LIKELY, seen, "a client's error, in warm containers only")


def network(failure: Failure) -> Judged:
    """Judge whether it is the network; only a function in a VPC has one that can fail so."""
    if any(name in failure.error for name in OF_THE_NETWORK):
        return Judged(Standing.PROVEN, f"the error is {failure.error}", "Lambda names the network")
    known = failure.configuration
    if known is None:
        return Judged(Standing.POSSIBLE, "whether it is in a VPC is not known", UNDECIDED)
    if not known.vpc:
        return excluded("the function is in no VPC", "it has no network of its own")
    if not OF_A_CLIENT.search(f"{failure.error} {failure.said.kind} {failure.said.message}"):
        return excluded(f"the error is {failure.said.kind}", "it is no error of connecting")
    if any(each.is_cold is False for each in failure.invocations):
        seen = "warm containers failed to connect as well"
        return Judged(Standing.POSSIBLE, seen, "it is not the first use only")
    return Judged(Standing.LIKELY, "only first uses failed to connect", "a function in a VPC")
