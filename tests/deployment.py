"""The proxies of docs/deploy, each in a process of its own, with a certificate of its own."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.programs import needs
from tests.serving import ROOT, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = ROOT / "docs" / "deploy"
DOMAIN = "rover.example.org"
UPSTREAM = "127.0.0.1:8000"


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes:
        url: of the mission, with the prefix and without a slash at the end.
        prefix: the path of the mission.
        http_port: the port without TLS.
        certificate: of the proxy, which signs itself.
        log: of the requests, if the proxy writes one.
    """

    url: str
    prefix: str
    http_port: int
    certificate: Path
    log: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """Makes clients trust the proxy."""
        return ssl.create_default_context(cafile=self.certificate)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A new certificate of localhost, which signs itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        [needs("openssl"), *request.split(), *names, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    return certificate, key


def changed(text: str, *changes: tuple[str, str]) -> str:
    """The text with each regular expression replaced; each must occur."""
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement.replace("\\", r"\\"), text)
        assert count, pattern
    return text


@contextmanager
def nginx(folder: Path, upstream_port: int, prefix: str) -> Iterator[Proxy]:
    """nginx with docs/deploy/nginx.conf."""
    program = needs("nginx")
    http_port, https_port = free_port(), free_port()
    public, key = certificate(folder)
    log = folder / "rover.log"
    site = changed(
        (DEPLOY / "nginx.conf").read_text(),
        (r"/etc/letsencrypt/\S+/fullchain.pem", str(public)),
        (r"/etc/letsencrypt/\S+/privkey.pem", str(key)),
        (r"/var/log/nginx/", f"{folder}/"),
        (re.escape(UPSTREAM), f"127.0.0.1:{upstream_port}"),
        (re.escape(DOMAIN), "localhost"),
        (r" *listen \[::\]:.*\n", ""),
        (r"listen 80;", f"listen 127.0.0.1:{http_port};"),
        (r"listen 443 ", f"listen 127.0.0.1:{https_port} "),
    )
    if prefix:
        [other] = re.findall(r"# Below a prefix: `(.*)`", site)
        site = changed(site, (r"    location / .*", "    " + other))
    folders = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid;\n"
        f"events {{}}\nhttp {{\n{folders}{site}}}\n"
    )
    command = [program, "-e", f"{folder}/error.log", "-c", str(config)]
    with _running(command, https_port, folder):
        yield Proxy(
            f"https://localhost:{https_port}{prefix}",
            prefix,
            http_port,
            public,
            log,
        )


@contextmanager
def caddy(folder: Path, upstream_port: int, prefix: str) -> Iterator[Proxy]:
    """Caddy with docs/deploy/Caddyfile."""
    program = needs("caddy")
    http_port, https_port = free_port(), free_port()
    public, key = certificate(folder)
    ports = f"admin off\n\thttp_port {http_port}\n\thttps_port {https_port}\n\tservers {{"
    site = changed(
        (DEPLOY / "Caddyfile").read_text(),
        (r"servers {", ports),
        (r"header Strict", f"tls {public} {key}\n\theader Strict"),
    )
    if prefix:
        site = (
            changed(site, (r"\treverse_proxy ", f"\thandle_path {prefix}/* {{\n\treverse_proxy "))
            + "}\n"
        )
    config = folder / "Caddyfile"
    config.write_text(site)
    environ = {"ROVER_DOMAIN": "localhost", "ROVER_UPSTREAM": f"127.0.0.1:{upstream_port}"}
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    with _running(command, https_port, folder, environ):
        yield Proxy(
            f"https://localhost:{https_port}{prefix}",
            prefix,
            http_port,
            public,
            folder / "log",
        )


@contextmanager
def _running(
    command: list[str], port: int, folder: Path, environ: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a proxy; the block begins when it listens, and the process ends after the block."""
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **own, **(environ or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_listening(port, lambda: process.poll() is None)
        yield
    finally:
        process.kill()
        process.wait()


PROXIES = {"nginx": nginx, "caddy": caddy}
