"""Our burst, a thread pool of boto3 clients, and the least that it can cost, side by side.

python -m benchmarks.burst [COUNT ...]

All call the same TLS server on this machine, which holds every request for 500 ms as a canary does
and notes when each arrived. Every contestant is a new process with new connections that trusts the
SDK's certificates plus the server's own, as a build machine does. Server and floor are C programs
(`by_hand/held.c`, `by_hand/floor.c`), built here; without a compiler and OpenSSL's headers the
server is Python, and the ratio to the floor is the one that was recorded once.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import botocore
import trustme

from benchmarks.bursts import contestants, servers, variants
from benchmarks.figures import note

COUNTS = [1, 10, 100, 1000]
TURNS = 3  # of which the median is shown; the boto3 pool, which takes the longest, has one
JUDGED = 1000  # the targets are those of a burst of so many
RECORDED = {"ramp": 1.1, "wall": 1.1}  # ours / floor, measured when the engine was chosen
MEMORY_MIB = 150.0


def main() -> None:
    """Run all contestants and variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=COUNTS)
    options = parser.parse_args()
    servers.raise_file_limit()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "::1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pem, bundle = folder / "server.pem", folder / "bundle.pem"
        pem.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
        roots = (Path(botocore.__file__).parent / "cacert.pem").read_bytes()
        bundle.write_bytes(roots + authority.cert_pem.bytes())
        floor = servers.built("floor", folder)
        with served(folder, pem) as url:
            for count in options.counts:
                judge(count, table(url, bundle, count, floor=floor))
        variants.measure(pem, bundle, max(options.counts))


@contextlib.contextmanager
def served(folder: Path, pem: Path) -> Iterator[str]:
    """Run the cheaper server that can be had; yield its URL."""
    program = servers.built("held", folder)
    print(f"the server is {'a C program' if program else 'Python, and may bound what is measured'}")
    with servers.in_c(program, pem) if program else servers.in_python(pem) as port:
        yield f"https://localhost:{port}"


def table(url: str, bundle: Path, count: int, *, floor: Path | None) -> dict[str, dict[str, Any]]:
    """Print one comparison, and return it."""
    print(f"\n{count} requests over TLS, each held 500 ms (CPU without the imports)")
    print(
        f"{'':<8}{'ramp ms':>10}{'peak':>7}{'wall ms':>9}{'connect ms':>12}{'CPU ms':>9}"
        f"{'peak MiB':>10}{'answered':>10}{'server CPU ms':>15}"
    )
    found: dict[str, dict[str, Any]] = {}
    for name in (*(["floor"] if floor else []), *contestants.CONTESTANTS):
        seen = found[name] = median(
            contestants.run(name, url, bundle, count, floor=floor)
            for _ in range(1 if name == "boto3" else TURNS)
        )
        print(
            f"{name:<8}{seen['ramp'] * 1e3:10.1f}{seen['peak']:7d}{seen['wall'] * 1e3:9.0f}"
            f"{seen['connect'] * 1e3:12.0f}{seen['cpu'] * 1e3:9.0f}{seen['mib']:10.0f}"
            f"{seen['ok']:10.0f}{seen['server'] * 1e3:15.0f}"
        )
    return found


def median(turns: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the middle of what some runs took, each figure for itself."""
    each = [{"mib": math.nan} | turn for turn in turns]
    return {key: statistics.median([turn[key] for turn in each]) for key in each[0]}


def judge(count: int, found: dict[str, dict[str, Any]]) -> None:
    """Hand over the ratios; those of a thousand have targets."""
    ours, pool, title = found["ours"], found["boto3"], f"burst of {count}"
    judged = count == JUDGED
    ratios = {key: pool[key] / ours[key] for key in ("wall", "cpu")}
    note(f"{title}: in flight at once", ours["peak"], at_least=count)
    note(f"{title}: boto3 pool / ours, wall", ratios["wall"], at_least=5 if judged else None)
    note(f"{title}: boto3 pool / ours, CPU", ratios["cpu"], at_least=10 if judged else None)
    if judged:
        note(f"{title}: MiB", ours["mib"], at_most=MEMORY_MIB)
    for key, most in {"ramp": 3.0, "wall": 1.5}.items():
        if "floor" not in found and judged:
            note(f"{title}: {key} / C floor (recorded, no compiler here)", RECORDED[key])
        elif "floor" in found and (judged or key == "wall"):
            ratio = ours[key] / found["floor"][key]
            note(f"{title}: {key} / C floor", ratio, at_most=most if judged else None)


if __name__ == "__main__":
    main()
