"""Send a report to a web address of the user's: signed, soon, and never where it was not meant to.

What can be long, the evidence, stays in report.json: a receiver needs what was found, not why.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit

from deployguard import safe
from deployguard.config import WEBHOOK_SECRET
from deployguard.errors import ConfigurationError

ATTEMPTS = 3
CONNECT_S, ANSWER_S = 5.0, 10.0
PATIENCE_S = 20.0  # for all attempts, however slowly each of them is answered
HASTE_S = 0.5  # after a signal, when the CI service is about to kill the run


def doubt(url: str) -> str:
    """Say why an address cannot be used; nothing where it can. It never repeats the address.

    NOTE: what libraries read in two ways is refused: the host that is checked is then another one
    than the host that is called.
    """
    if re.search(r"[\\\s\x00-\x1f\x7f]", url):
        return "expected a URL without white space, control characters and backslashes"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "expected a URL"
    if parts.hostname and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts))
    ):
        return ""
    return "expected an https:// URL; http:// is for this machine alone"


def send(report: Mapping[str, Any], url: str, *, environ: Mapping[str, str]) -> None:
    """Post a report, less its evidence; raise ConfigurationError where nobody took it.

    NOTE: in a thread of its own, because no timeout of a socket ends an answer that only trickles.
    """
    body = safe.json(without_evidence(report)).encode()
    ended: list[str] = []
    headers = headers_of(body, environ.get(WEBHOOK_SECRET, ""))
    bundle = environ.get("REQUESTS_CA_BUNDLE") or None

    def deliver() -> None:
        ended.append(_deliver(url, body, headers, ca_bundle=bundle))

    thread = Thread(target=deliver, daemon=True)
    with suppress(KeyboardInterrupt):  # it ends the delivery, and not the verdict
        thread.start()
        thread.join(HASTE_S if _is_interrupted(report) else PATIENCE_S)
    if problem := ended[0] if ended else "it did not answer in time":
        raise ConfigurationError(
            f"the report was not delivered to {urlsplit(url).hostname}: {problem}",
            fix="send it again with `deployguard report FILE --send URL`",
        )


def without_evidence(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report as it is sent."""
    return {**report, "functions": [{**each, "evidence": []} for each in report["functions"]]}


def headers_of(body: bytes, secret: str) -> dict[str, str]:
    """Return the headers: the same delivery has the same id, and who has the secret can tell."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "deployguard",
        "X-Deployguard-Delivery": hashlib.sha256(body).hexdigest()[:32],
    }
    if secret:
        signature = hmac.new(secret.encode(errors="surrogateescape"), body, hashlib.sha256)
        headers["X-Deployguard-Signature"] = f"sha256={signature.hexdigest()}"
    return headers


class _MayPassError(Exception):
    """Trouble after which another attempt may succeed."""


def _deliver(url: str, body: bytes, headers: Mapping[str, str], *, ca_bundle: str | None) -> str:
    """Post until somebody takes it; return why nobody did, or nothing."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(0.5),
        retry=retry_if_exception_type(_MayPassError),
        reraise=True,
    )
    try:
        return attempts(_post, url, body, headers, ca_bundle=ca_bundle)
    except _MayPassError as problem:
        return str(problem)


def _post(url: str, body: bytes, headers: Mapping[str, str], *, ca_bundle: str | None) -> str:
    """Post once.

    NOTE: by the adapter alone: a session would take a password from ~/.netrc, follow redirects and
    read what comes with them. Its errors hold the whole address, which may be a secret.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from requests.utils import get_environ_proxies

    adapter = HTTPAdapter()
    try:
        request = requests.Request("POST", url, headers=dict(headers), data=body).prepare()
        answer = adapter.send(
            request,
            stream=True,  # so that nothing of the answer is read but its head
            timeout=(CONNECT_S, ANSWER_S),
            verify=ca_bundle or True,
            proxies={} if _is_loopback(urlsplit(url)) else get_environ_proxies(url),
        )
    except requests.exceptions.SSLError:
        return "its certificate is not trusted"
    except requests.exceptions.Timeout:
        raise _MayPassError("it did not answer in time") from None
    except requests.exceptions.ConnectionError:
        raise _MayPassError("it cannot be reached") from None
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        return type(error).__name__
    finally:
        adapter.close()
    answer.close()
    return _refusal(answer.status_code)


def _refusal(status: int) -> str:
    """Say why a status is no success, or nothing; raise where the next one may be."""
    if status == 429 or status >= 500:
        raise _MayPassError(f"it answered with status {status}")
    if 300 <= status < 400:
        return f"it answered with status {status}, and redirects are not followed"
    return "" if 200 <= status < 300 else f"it answered with status {status}"


def _is_interrupted(report: Mapping[str, Any]) -> bool:
    return bool(report["error"]) and report["error"]["kind"] == "Interrupted"


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
