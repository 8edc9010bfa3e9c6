"""The report reaches a web hook, signed and soon, and nothing that goes wrong there matters."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from deployguard import webhook
from deployguard.config import WEBHOOK_SECRET
from tests.guard.world import Team, eventually
from tests.unit.form_cases import REPORTS

SECRET = "correct horse battery staple"
TOKEN = "t0k3n-in-the-path"
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """A server that keeps what it is sent, and answers as it is told: the last one for good."""

    answers: list[Answer]
    url: str = ""
    authority: str = ""
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """Keep a request and answer it."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.got.append((dict(handler.headers), body))
        answer = self.answers[min(len(self.got), len(self.answers)) - 1]
        with suppress(OSError):
            answer(handler)

    @property
    def trust(self) -> dict[str, str]:
        """Return the environment that trusts it."""
        return {"REQUESTS_CA_BUNDLE": self.authority}


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Run a receiver on this machine, over TLS."""
    told = Receiver([status(204)])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.take(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.daemon_threads = True
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    told.authority = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(told.authority)
    told.url = f"https://localhost:{server.server_port}/hooks/{TOKEN}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told
    told.gone.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Have the report of a stale deployment."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORTS["stale"]()))
    return path


def started(saved: Path, url: str, **environment: str) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH")}
    return subprocess.Popen(
        [sys.executable, "-m", "deployguard", "report", str(saved), "--send", url],
        cwd=saved.parent,
        env=inherited | {"HOME": str(saved.parent)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sent(saved: Path, url: str, **environment: str) -> tuple[int, str]:
    """Send a saved report; return the exit code and all that was printed."""
    process = started(saved, url, **environment)
    out, err = process.communicate(timeout=60)
    assert TOKEN not in out + err
    assert "Traceback" not in err
    return process.returncode, out + err


def test_a_run_posts_its_report_without_the_evidence(team: Team, receiver: Receiver) -> None:
    team.ship("b1")
    secret = {WEBHOOK_SECRET: SECRET}
    finished = team.check("--webhook", receiver.url, **receiver.trust, **secret)
    assert finished.exit_code == 0, finished.err
    ((headers, body),) = receiver.got
    posted = json.loads(body)
    assert finished.report is not None
    assert finished.function["evidence"]
    assert posted == webhook.without_evidence(finished.report)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Deployguard-Signature"] == f"sha256={signature}"
    everything = finished.out + finished.err + body.decode() + json.dumps(finished.report)
    assert SECRET not in everything
    assert TOKEN not in everything


def test_what_goes_wrong_there_moves_no_verdict(team: Team, receiver: Receiver) -> None:
    team.ship("b1")
    receiver.answers = [status(403)]
    finished = team.check(**receiver.trust, DEPLOYGUARD_WEBHOOK=receiver.url)
    assert finished.exit_code == 0
    assert "warning: the report was not delivered to localhost: it answered with status 403" in (
        finished.err
    )
    assert TOKEN not in finished.out + finished.err
    assert len(receiver.got) == 1


def test_a_saved_report_is_sent_with_the_verdict_of_its_evidence(
    saved: Path, receiver: Receiver
) -> None:
    forged = {**json.loads(saved.read_text()), "verdict": "FRESH", "exit_code": 0}
    saved.write_text(json.dumps(forged))
    assert sent(saved, receiver.url, **receiver.trust) == (0, "")
    ((headers, body),) = receiver.got
    assert json.loads(body)["verdict"] == "STALE"
    assert "X-Deployguard-Signature" not in headers


def test_it_is_sent_again_while_the_receiver_has_trouble(saved: Path, receiver: Receiver) -> None:
    receiver.answers = [status(500), status(429), status(200)]
    assert sent(saved, receiver.url, **receiver.trust)[0] == 0
    assert len({headers["X-Deployguard-Delivery"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_it_is_not_sent_for_ever(saved: Path, receiver: Receiver) -> None:
    receiver.answers = [status(503)]
    exit_code, told = sent(saved, receiver.url, **receiver.trust)
    assert (exit_code, len(receiver.got)) == (2, 3)
    assert "it answered with status 503" in told


@pytest.mark.parametrize("code", [302, 308])
def test_a_redirect_is_not_followed(saved: Path, receiver: Receiver, code: int) -> None:
    receiver.answers = [status(code, Location="/elsewhere"), status(200)]
    exit_code, told = sent(saved, receiver.url, **receiver.trust)
    assert (exit_code, len(receiver.got)) == (2, 1)
    assert f"status {code}, and redirects are not followed" in told


def test_a_certificate_of_nobody_known_gets_nothing(saved: Path, receiver: Receiver) -> None:
    exit_code, told = sent(saved, receiver.url)
    assert (exit_code, receiver.got) == (2, [])
    assert "its certificate is not trusted" in told


def test_no_password_is_taken_from_elsewhere(saved: Path, receiver: Receiver) -> None:
    netrc = saved.parent / ".netrc"
    netrc.write_text("machine localhost login robot password hunter2\n")
    netrc.chmod(0o600)
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    assert sent(saved, receiver.url, **receiver.trust, **proxy)[0] == 0
    ((headers, _),) = receiver.got
    assert "Authorization" not in headers


def test_a_large_answer_is_not_read(saved: Path, receiver: Receiver) -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not receiver.gone.is_set():
            handler.wfile.write(b"x" * 65_536)
            receiver.sent += 65_536

    receiver.answers = [pour]
    began = time.monotonic()
    assert sent(saved, receiver.url, **receiver.trust)[0] == 0
    assert time.monotonic() - began < webhook.ANSWER_S
    assert receiver.sent < 64 << 20


def hang(receiver: Receiver) -> Answer:
    def answer(_: BaseHTTPRequestHandler) -> None:
        receiver.gone.wait(60)

    return answer


def trickle(receiver: Receiver) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not receiver.gone.wait(0.05):
            handler.wfile.write(b"x")

    return answer


@pytest.mark.parametrize("slow", [hang, trickle])
def test_after_a_signal_nobody_is_waited_for(
    saved: Path, receiver: Receiver, slow: Callable[[Receiver], Answer]
) -> None:
    saved.write_text(json.dumps(REPORTS["interrupted"]()))
    receiver.answers = [slow(receiver)]
    began = time.monotonic()
    exit_code, told = sent(saved, receiver.url, **receiver.trust)
    assert time.monotonic() - began < webhook.CONNECT_S
    assert exit_code == 2
    assert "it did not answer in time" in told


def test_a_signal_ends_the_delivery(saved: Path, receiver: Receiver) -> None:
    receiver.answers = [hang(receiver)]
    process = started(saved, receiver.url, **receiver.trust)
    eventually(lambda: bool(receiver.got))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=webhook.ANSWER_S / 2)
    assert process.returncode == 2
    assert "not delivered" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{TOKEN}",
        f"http://127.0.0.1.example.com/{TOKEN}",
        f"http://localhost@example.com/{TOKEN}",
        f"ftp://localhost/{TOKEN}",
        f"file:///{TOKEN}",
        f"https:///{TOKEN}",
        f"https://localhost:x/{TOKEN}",
        TOKEN,
        "http://example.com\\@127.0.0.1/s3cret",
        "https://exam\nple.com/s3cret",
    ],
)
def test_an_address_that_is_not_safe_is_refused_and_not_repeated(url: str) -> None:
    told = webhook.doubt(url)
    assert told.startswith("expected a")
    assert TOKEN not in told


def test_what_is_refused_is_not_repeated_either(saved: Path) -> None:
    url = f"http://example.com/{TOKEN}"
    assert sent(saved, url)[0] == 2
    assert sent(saved, "https://localhost:9", DEPLOYGUARD_WEBHOOK=url)[0] == 2


@pytest.mark.parametrize(
    "url", ["https://hooks.example/x", "http://127.0.0.9:80/", "http://[::1]/"]
)
def test_an_address_over_tls_or_on_this_machine_is_taken(url: str) -> None:
    assert webhook.doubt(url) == ""


def test_the_secret_comes_from_the_environment_alone(team: Team) -> None:
    (team.folder / "deployguard.toml").write_text(f'webhook-secret = "{SECRET}"\n')
    finished = team.run("verify", team.name)
    assert finished.exit_code == 2
    assert "unknown key 'webhook-secret'" in finished.err
    assert SECRET not in finished.err
