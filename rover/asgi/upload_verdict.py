"""One JSON answer at the end of an upload, for clients that cannot read while they send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import move_on_after

from rover.asgi.connected import while_connected
from rover.asgi.responses import json_response
from rover.identity import IDENTITY
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from rover.asgi.body import Body
    from rover.asgi.large_response import LargeResponses
    from rover.asgi.prefer import Preferences
    from rover.commands import Commands
    from rover.commands.upload import Upload


class UploadVerdict:
    """An ASGI app that receives a file, waits for the verdict, and responds with the report.

    If the verdict is not there in time, the response is 202 with the report so far.

    Args:
        commands: receives the file.
        upload: has begun.
        chunks: the file.
        body: the body of the request, which has the file.
        responses: send large ones, with their connections.
        preferences: how long to wait.
        location: of the report, relative to the request.
    """

    def __init__(
        self,
        commands: Commands,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        body: Body,
        responses: LargeResponses,
        preferences: Preferences,
        location: str,
    ) -> None:
        self._commands = commands
        self._upload = upload
        self._chunks = chunks
        self._body = body
        self._responses = responses
        self._preferences = preferences
        self._location = location

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive, wait and respond. The check continues if the client disconnects meanwhile.

        Raises:
            AccessEnded: the client has lost its access while it waited.
        """
        await self._commands.receive(self._upload, self._chunks)
        if self._body.interrupted:
            return
        await respond_with_verdict(
            self._upload, self._responses, self._preferences, self._location, scope, receive, send
        )
        self._responses.connections.end(receive, unread=self._body.is_unread)


async def respond_with_verdict(
    upload: Upload,
    responses: LargeResponses,
    preferences: Preferences,
    location: str,
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Wait for the verdict as long as the client prefers, and respond with the report.

    Args:
        upload: whose file has arrived.
        responses: send large ones, with their connections.
        preferences: how long to wait; by default not at all.
        location: of the report, relative to the request.
        scope: of the request.
        receive: of the request.
        send: of the request.
        headers: further headers.

    Raises:
        AccessEnded: the client has lost its access while it waited.
    """
    grants = responses.connections.grants
    grants.check(scope.get(IDENTITY))
    async with while_connected(scope, receive, grants) as client:
        with move_on_after(preferences.wait_s or 0.0):
            await upload.wait_reported()
    if client.access_ended is not None:
        raise client.access_ended
    if client.has_disconnected:
        return
    sent = {"Location": location, **(headers or {})}
    if preferences.applied:
        sent["Preference-Applied"] = preferences.applied
    report = await upload.as_json()
    if upload.is_reported:
        response = responses.respond(lambda: dumps(report).encode(), headers=sent)
        await response(scope, receive, send)
    else:
        await json_response(report, 202, sent)(scope, receive, send)
