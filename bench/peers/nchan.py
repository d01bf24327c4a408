"""nginx with nchan, a fan-out in C: one worker; the CPU time of its publisher is not counted."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from bench.processes import BenchError, child, children
from bench.servers import START_TIMEOUT_S, RunningServer, stderr_tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Cores
    from bench.servers import Workload

MODULE = "ngx_nchan_module.so"

ATTEMPTS = 5
"""Attempts to start nginx: it cannot choose a free port, and the one chosen here may be taken."""

CONFIG = """
{load_module}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 64M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /stream {{
            nchan_subscriber eventsource;
            nchan_channel_id telemetry;
            nchan_subscriber_first_message newest;
        }}
        location = /channel {{
            nchan_pubsub websocket;
            nchan_channel_id comms;
            nchan_subscriber_first_message newest;
        }}
    }}
    server {{
        listen unix:{folder}/publish.sock;
        location = /publish {{
            nchan_publisher;
            nchan_channel_id telemetry;
        }}
    }}
}}
"""


def unavailable_reason() -> str | None:
    """What must be installed to run it, or `None`."""
    nginx = _nginx()
    if nginx is None:
        return "needs nginx and its module nchan (Debian: nginx, libnginx-mod-nchan)"
    if _load_module(nginx) is None:
        return "needs nginx's module nchan (Debian: libnginx-mod-nchan)"
    return None


@contextmanager
def serve(workload: Workload, cores: Cores) -> Iterator[RunningServer]:
    """Run nginx, and a publisher of samples if the rate is not 0."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rover-nchan-")))
        server = stack.enter_context(_nginx_server(folder, cores))
        if workload.rate_hz:
            command = [sys.executable, "-m", "bench.publish", f"{folder}/publish.sock"]
            errors = stack.enter_context(tempfile.TemporaryFile())
            command.append(str(workload.rate_hz))
            stack.enter_context(child(command, core=cores.load, folder=folder, errors=errors))
        yield server


@contextmanager
def _nginx_server(folder: Path, cores: Cores) -> Iterator[RunningServer]:
    nginx = _nginx()
    load_module = nginx and _load_module(nginx)
    if nginx is None or load_module is None:
        raise BenchError("nginx with nchan is not installed")
    config = folder / "nginx.conf"
    error = ""
    command: list[str | Path] = [nginx, "-p", folder, "-c", config, "-e", folder / "error.log"]
    for _ in range(ATTEMPTS):
        port = _free_port()
        config.write_text(CONFIG.format(load_module=load_module, folder=folder, port=port))
        with (
            tempfile.TemporaryFile() as errors,
            child(command, core=cores.server, folder=folder, errors=errors) as process,
        ):
            if _listens(process, port):
                yield RunningServer(port, (process.pid, *children(process.pid)))
                return
            error = stderr_tail(errors)
    raise BenchError(f"nginx did not start: {error}")


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _load_module(nginx: str) -> str | None:
    """The configuration line that loads nchan; empty if it is built in, `None` if it is missing."""
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
    for option in built.split():
        name, _, folder = option.partition("=")
        if name == "--modules-path" and (module := Path(folder) / MODULE).exists():
            return f"load_module {module};"
    return "" if "nchan" in built else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until this process listens on the port; false if it exited or timed out."""
    deadline = monotonic() + START_TIMEOUT_S
    while monotonic() < deadline and process.poll() is None:
        if children(process.pid):  # nginx forks its worker after it listens
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return True
        sleep(0.02)
    return False
