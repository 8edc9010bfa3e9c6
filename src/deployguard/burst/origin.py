"""Where to connect: URLs, addresses, proxies, trusted certificates."""

from __future__ import annotations

import base64
import itertools
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from deployguard.errors import ConfigurationError, Refusal


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Load the trusted certificates, once for all connections; verification is always on."""
    folder = ca_bundle is not None and Path(ca_bundle).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else ca_bundle, capath=ca_bundle if folder else None
        )
    except OSError as error:
        raise ConfigurationError(
            f"the CA bundle {ca_bundle} cannot be loaded: {words(error)}",
            fix="point AWS_CA_BUNDLE at a PEM file, or unset it",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    # Python 3.11.2, which is Debian 12's, takes a cut connection for the end of an answer.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def proxy_for(endpoint: str, environ: Mapping[str, str]) -> str | None:
    """Choose the proxy as the SDK does, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""
    lower_case_last = sorted(environ.items(), key=lambda item: item[0].endswith("_proxy"))
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in lower_case_last
        if name.lower().endswith("_proxy")
    }
    parts = urlsplit(endpoint)
    bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    if bypass(netloc(parts), proxies):
        return None
    return proxies.get(parts.scheme) or None


def addresses(parts: SplitResult) -> list[Any]:
    """Look the name up; every address it has."""
    return socket.getaddrinfo(parts.hostname, port(parts), type=socket.SOCK_STREAM)


def in_turn(addresses: list[Any], place: int) -> list[Any]:
    """Order the addresses for one connection: another start for each, the families by turns.

    Spreading matters: one address may be the door to only a part of the containers.
    """
    families: dict[Any, list[Any]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turned = [
        group[place % len(group) :] + group[: place % len(group)] for group in families.values()
    ]
    rows = itertools.zip_longest(*turned)
    return [address for row in rows for address in row if address is not None]


def parse_proxy(url: str) -> SplitResult:
    """Take a proxy setting apart; refuse what cannot be tunnelled through."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http":
        raise Refusal(
            f"the proxy {parts.scheme}://{netloc(parts)} cannot carry the probes",
            cause="only proxies that are themselves reached over plain http are supported",
            fix="set HTTPS_PROXY to an http:// proxy, or NO_PROXY for the Lambda endpoint",
        )
    return parts


def credentials(proxy: SplitResult) -> dict[str, str]:
    """Make the proxy's header, where its URL holds a user."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def port(parts: SplitResult) -> int:
    """Return the port that is meant."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def identity(parts: SplitResult) -> tuple[str, str | None, int]:
    """Return what must be equal for two URLs to share a connection."""
    return parts.scheme, parts.hostname, port(parts)


def bracketed(parts: SplitResult) -> str:
    """Write the host name, or an address literal as URLs do."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def netloc(parts: SplitResult) -> str:
    """Write host and port as the Host header does: never with credentials."""
    standard = parts.port in (None, 443 if parts.scheme == "https" else 80)
    return bracketed(parts) if standard else f"{bracketed(parts)}:{parts.port}"


def words(error: Exception) -> str:
    """Say an error in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
