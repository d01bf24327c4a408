"""Run the Autobahn test suite against the WebSockets of this server: `make autobahn`.

The suite is a client with 517 cases of RFC 6455 and RFC 7692. It needs Python 2.7, so it is not
part of `make test`. The server echoes each message. It writes texts as the channels write events:
in frames that are made once and never compressed, straight to the connection.

Source: https://github.com/crossbario/autobahn-testsuite
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from rover.asgi.framing import text_message
from rover.asgi.outputs import output_of
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol, BoundedWebSocketProtocol
from tests.conftest import running

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}

KNOWN = {"7.1.5"}
"""Cases that fail by decision of `websockets`: a close within a message is an error (1002)."""

START = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""
"""Runs the suite from the folder that is the first argument."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each message back, texts through the output."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    output = output_of(scope, send)
    assert output is not None
    while (message := await receive())["type"] == "websocket.receive":
        if (text := message.get("text")) is None:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
        elif not output.write(text_message(text.encode())):
            await send({"type": "websocket.send", "text": text})


def run(python: str, suite: str, cases: list[str], url: str) -> dict[str, dict[str, str]]:
    """Run cases against a server; returns the result of each."""
    with TemporaryDirectory() as folder:
        plan = {"outdir": folder, "servers": [{"agent": "server", "url": url}], "cases": cases}
        file = Path(folder, "plan.json")
        file.write_text(json.dumps(plan | {"exclude-cases": [], "exclude-agent-cases": {}}))
        command = [python, "-c", START, suite, "-m", "fuzzingclient", "-s", str(file)]
        subprocess.run(command, check=True)
        results: dict[str, dict[str, str]] = json.loads(Path(folder, "index.json").read_text())[
            "server"
        ]
        return results


async def main() -> None:
    """Run the cases, print those that fail, and exit with status 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("python", help="a Python 2.7")
    parser.add_argument("suite", help="the folder in which the suite is installed")
    parser.add_argument("cases", nargs="*", default=["*"], help="such as 1.* 7.7.1")
    args = parser.parse_args()
    bounded = {"http": BoundedHTTPProtocol, "ws": BoundedWebSocketProtocol}
    async with running(echo, lifespan="off", **bounded) as url:
        results = await to_thread.run_sync(
            run, args.python, args.suite, args.cases, url.replace("http", "ws")
        )
    print(Counter(result["behavior"] for result in results.values()))
    failed = {
        case: result
        for case, result in results.items()
        if case not in KNOWN and not {result["behavior"], result["behaviorClose"]} <= PASSED
    }
    for case, result in failed.items():
        print(f"case {case}: {result['behavior']}, close {result['behaviorClose']}")
    sys.exit(bool(failed) or not results)


if __name__ == "__main__":
    anyio.run(main)
