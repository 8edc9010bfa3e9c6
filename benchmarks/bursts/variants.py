"""A burst over a proxy, over IPv6, against a server that hangs up, and near the file limit."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bursts import servers
from benchmarks.bursts.contestants import requests, told
from benchmarks.figures import note
from deployguard.burst import Burst, Connections, Request, tls_context
from deployguard.errors import Refusal

SPARE = 200  # handles that the rest of the process has open, or may need


def measure(pem: Path, bundle: Path, count: int) -> None:
    """Run all variants, and hand over which share of each burst went well."""
    with servers.in_python(pem) as port:
        url = f"https://localhost:{port}"
        for name, variant in (
            ("through a CONNECT proxy", _proxied),
            ("after half of the kept connections were closed", _hung_up),
            ("with half of the connections closed amid the burst", _cut),
            ("with a soft file limit below it", _raised),
        ):
            _run(f"burst of {count} {name}", variant, url, bundle, count)
        _over_ipv6(pem, bundle, count)
        _run(f"burst of {count} with a hard file limit below it", _refused, url, bundle, count)


def _over_ipv6(pem: Path, bundle: Path, count: int) -> None:
    name = f"burst of {count} over IPv6"
    if (why := _no_ipv6()) is not None:
        print(f"{name}: skipped, {why}")
        return
    with servers.in_python(pem, host="::1") as port:
        _run(name, _plain, f"https://[::1]:{port}", bundle, count)


def _run(
    name: str, variant: Callable[[str, Path, int], float], url: str, bundle: Path, count: int
) -> None:
    began = time.monotonic()
    share = variant(url, bundle, count)
    print(f"{name}: {time.monotonic() - began:.2f} s; ", end="")
    note(f"{name}, as it should be", share, at_least=1.0)


def _plain(url: str, bundle: Path, count: int, *, proxy: str | None = None) -> float:
    """Return the share that was in flight at once and answered."""
    with Connections(url, tls=tls_context(str(bundle)), proxy=proxy) as connections:
        burst = connections.fire(requests(url, count), deadline_s=60)
    return min(burst.peak_in_flight, _answered(burst)) / count


def _proxied(url: str, bundle: Path, count: int) -> float:
    with servers.proxy() as port:
        return _plain(url, bundle, count, proxy=f"http://127.0.0.1:{port}")


def _hung_up(url: str, bundle: Path, count: int) -> float:
    """Have half of the kept connections closed: they are replaced before anything is sent."""
    with Connections(url, tls=tls_context(str(bundle))) as connections:
        connections.fire(requests(url, count), deadline_s=60)
        connections.fire([Request("GET", url + "/hang-up", ())], deadline_s=10)
        burst = connections.fire(requests(url, count), deadline_s=60)
    return min(burst.peak_in_flight, _answered(burst)) / count


def _cut(url: str, bundle: Path, count: int) -> float:
    """Have every other connection closed instead of an answer: unknown, and not sent again."""
    told(url, bundle)
    with Connections(url, tls=tls_context(str(bundle))) as connections:
        burst = connections.fire(requests(url, count, query="?cut"), deadline_s=60)
    unknown = sum(r.sent is not None and r.answered is None for r in burst.replies)
    arrived = len(told(url, bundle)["arrivals"])
    wrong = (
        abs(arrived - count) + abs(unknown - (count + 1) // 2) + abs(_answered(burst) - count // 2)
    )
    return 1 - wrong / count


def _raised(url: str, bundle: Path, count: int) -> float:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(SPARE, before[0]), before[1]))
    return _plain(url, bundle, count)


def _refused(url: str, bundle: Path, count: int) -> float:
    """Have fewer handles than connections: nothing is sent, and the message says what to do.

    NOTE: this comes last, since a hard limit cannot be raised again.
    """
    told(url, bundle)
    low = (count + SPARE) // 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, low))
    with Connections(url, tls=tls_context(str(bundle))) as connections:
        try:
            connections.fire(requests(url, count), deadline_s=60)
        except Refusal as refusal:
            print(refusal)
            return 1.0 - len(told(url, bundle)["arrivals"])
    return 0.0


def _answered(burst: Burst) -> int:
    return sum(reply.status == 200 for reply in burst.replies)


def _no_ipv6() -> str | None:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        return f"there is no ::1: {error.strerror}"
    return None
