"""How tests, the demo and a shell talk to a running lab, to AWS's side of it and to its knobs."""

from __future__ import annotations

from typing import Any

import boto3
import requests
from botocore.config import Config

from deployguard.lab.calls import REGION
from deployguard.lab.signature import ACCESS_KEY, SECRET_KEY

TIMEOUT_S = 30


class LabError(Exception):
    """The lab refused what it was asked for."""


class Client:
    """One running lab, by its address."""

    def __init__(self, endpoint: str, *, ca_bundle: str | None = None) -> None:
        """Talk to the lab at an address; with TLS its certificate authority's file is needed."""
        self.endpoint = endpoint
        self.ca_bundle = ca_bundle
        self.backstage = requests.Session()  # one connection serves many questions
        self.backstage.trust_env = False  # no proxy leads to this machine's own address
        self.session = boto3.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS SDK or CLI at the lab."""
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }
        return variables | ({"AWS_CA_BUNDLE": self.ca_bundle} if self.ca_bundle else {})

    def client(
        self,
        service: str,
        *,
        config: Config | None = None,
        region: str = REGION,
        access_key: str = ACCESS_KEY,
    ) -> Any:
        """Return a boto3 client of a service of the lab; any access key does."""
        return self.session.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=SECRET_KEY,
            verify=self.ca_bundle,
            config=config,
        )

    def set(self, **knobs: Any) -> dict[str, Any]:
        """Turn knobs and return all their values."""
        return dict(self._ask("PATCH", "knobs", body=knobs))

    def knobs(self) -> dict[str, Any]:
        """Return every knob's value."""
        return dict(self._ask("GET", "knobs"))

    def fault(self, **rule: Any) -> dict[str, Any]:
        """Add a fault rule."""
        return dict(self._ask("POST", "faults", body=rule))

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules with how often each was counted and struck."""
        return list(self._ask("GET", "faults"))

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self._ask("DELETE", "faults")

    def release(self, operation: str | None = None, *, access_key: str | None = None) -> int:
        """Let held calls go on, all or those of an operation or an access key; return how many."""
        named = {"operation": operation, "access_key": access_key}
        body = {member: value for member, value in named.items() if value}
        return int(self._ask("POST", "release", body=body)["released"])

    def writes(self) -> list[dict[str, Any]]:
        """Return every applied change, in order."""
        return list(self._ask("GET", "writes"))

    def lost(self) -> list[dict[str, Any]]:
        """Return the asynchronous events that were given up, with the reason."""
        return list(self._ask("GET", "lost"))

    def containers(self) -> list[dict[str, Any]]:
        """Return the containers that there are now."""
        return list(self._ask("GET", "containers"))

    def kill_containers(self, function: str | None = None) -> int:
        """Kill containers, one function's or all, and return how many."""
        query = {"function": function} if function else {}
        return int(self._ask("DELETE", "containers", query=query)["killed"])

    def calls(self) -> dict[str, int]:
        """Return how often each `service.Operation` was called."""
        return dict(self._ask("GET", "calls"))

    def log(self) -> list[dict[str, Any]]:
        """Return every call by arrival; its status is None until it is answered."""
        return list(self._ask("GET", "log"))

    def health(self) -> dict[str, Any]:
        """Return that the lab is up."""
        return dict(self._ask("GET", "health"))

    def reset(self) -> None:
        """Make the lab as it was when it started."""
        self._ask("POST", "reset")

    def _ask(
        self, method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None
    ) -> Any:
        answer = self.backstage.request(
            method,
            f"{self.endpoint}/_lab/{path}",
            json=body,
            params=query,
            verify=self.ca_bundle or True,
            timeout=TIMEOUT_S,
        )
        content = answer.json()
        if answer.status_code >= 400:
            raise LabError(content["error"])
        return content
