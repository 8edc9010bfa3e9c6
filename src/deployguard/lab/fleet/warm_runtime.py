"""The zygote: an interpreter with its modules imported, which forks a container when it is asked.

Run as a script, with a socket's number as its argument; it imports nothing of the lab. In a
container the loop returns, and what follows is what a fresh `python -m awslambdaric` does.
"""

import sys

del sys.path[0]  # this script's own folder, which no container may import from

import contextlib  # noqa: E402
import ctypes  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import runpy  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

# What AWS's client imports, without what reads the environment when it is imported: `bootstrap`
# and, in `lambda_runtime_client`, the C part, which looks for the Runtime API's address.
import awslambdaric.lambda_config  # noqa: E402
import awslambdaric.lambda_context  # noqa: E402
import awslambdaric.lambda_runtime_log_utils  # noqa: E402
import awslambdaric.lambda_runtime_marshaller  # noqa: E402, F401

SIZE = 1 << 18  # more than a socket takes in one message
PR_SET_PDEATHSIG = 1
PRCTL = ctypes.CDLL(None).prctl


def serve(control: socket.socket) -> None:
    """Answer requests to fork or to bury a container; return only in a container."""
    zygote = os.getpid()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, SIZE, 2)
        if not message:
            sys.exit()  # the lab is gone
        request = json.loads(message)
        if "bury" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["bury"], 0)[1])
        else:
            answer = fork()
            if answer == 0:
                control.close()
                become(request, descriptors, parent=zygote)
                return
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(json.dumps({"answer": answer}).encode())


def fork() -> int:
    """Fork a process with a group of its own; return its id, or a negative error number."""
    try:
        pid = os.fork()
    except OSError as error:
        return -(error.errno or 1)
    with contextlib.suppress(OSError):  # both sides set it: neither knows which is first
        os.setpgid(pid, pid or os.getpid())
    return pid


def become(request: dict[str, Any], descriptors: list[int], *, parent: int) -> None:
    """Turn a fork into a container: its own leash, folder, output, environment and modules."""
    PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    folder, output = descriptors
    os.fchdir(folder)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(folder)
    os.close(output)
    os.environ.update(request["env"])
    time.tzset()
    paths = dict.fromkeys(os.environ["PYTHONPATH"].split(os.pathsep))
    sys.path[:0] = [os.getcwd(), *paths]  # noqa: PTH109 (pathlib is not what AWS's client imports)
    sys.argv = ["", os.environ["_HANDLER"]]


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        ctypes.CDLL("libstdc++.so.6")  # which the C part needs: it takes longest to load
    gc.freeze()  # so that no collection in a container touches, and so copies, what is shared
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
