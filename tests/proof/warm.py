"""The command line in a process that was forked from one that has imported it already.

Starting Python and importing the SDK costs more than all else that a cell of the matrix does.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import botocore.session
import pytest  # noqa: F401 (a child imports the main module of the tests again)
from botocore import loaders

from deployguard import __main__, burst, cli, config, guard  # noqa: F401
from deployguard.report import document, files, text  # noqa: F401


@dataclass(frozen=True)
class Order:
    """What a child is to run, and in which world."""

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    clock_step_s: float = 0.0  # of the machine's clock, as this process sees it
    largest_file: int | None = None  # in bytes: the disk is full beyond


def obey(order: Order, gate: Connection) -> None:
    """Run the command line once the gate opens, and exit as it does."""
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = ["deployguard", *order.arguments]
    for name, number in (("out", 1), ("err", 2)):
        handle = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    if order.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, order.largest_file))
    if order.clock_step_s:
        now, step = time.time, order.clock_step_s
        time.time = lambda: now() + step
    gate.recv_bytes()
    sys.exit(__main__.main())


def _warm_up() -> None:
    """Read the SDK's models of the services, which every session would read again."""
    shared = loaders.Loader()
    vars(botocore.session)["create_loader"] = lambda _path=None: shared
    session = botocore.session.get_session()
    for service in ("lambda", "ecr", "cloudwatch"):
        session.create_client(
            service, region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-"
        )
    gc.collect()
    gc.freeze()


_warm_up()
