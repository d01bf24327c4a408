"""The queue of accepted sequences over HTTP: the list, and what people do with them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response

from rover.api import Answer, Body, Operation
from rover.api.operation import JSON
from rover.api.schema import ref
from rover.api.upload_schemas import UPLOAD_SCHEMAS
from rover.asgi.author import author
from rover.asgi.json_body import json_object
from rover.asgi.preconditions import check_preconditions, entity_tag
from rover.asgi.responses import json_response
from rover.errors import (
    BadBody,
    NameRequired,
    NotNow,
    NotQueued,
    OtherReleaseTime,
    ReleaseTimePast,
    SecondPersonRequired,
    UnknownUpload,
)
from rover.identity import EVERYONE, IDENTITY
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.audit import AuditLog
    from rover.commands import Commands
    from rover.commands.sending import Sending
    from rover.commands.upload import Upload
    from rover.serving import Serving
    from rover.settings import Settings
    from rover.tokens import Tokens

ACTIONS = {
    "release": "Let a sequence be sent, at once or not before a time",
    "hold": "Undo the release of a sequence",
    "withdraw": "Take a sequence out of the queue",
    "move": "Put a sequence before another one, or at the end",
    "resend": "Send a sequence again, although it may have left before",
    "sent": "State that a sequence of which that is unknown has left",
}


BODIES = {"release": "Release", "move": "Move"}
"""The schemas of the bodies of the actions that take more than `QueueAction`."""


class HasQueue(Protocol):
    """The parts of a mission that these routes use."""

    commands: Commands
    serving: Serving
    settings: Settings
    tokens: Tokens
    audit: AuditLog


def routes(mission: HasQueue) -> list[BaseRoute]:
    """`GET /queue`, and `POST /uploads/{upload_id}/` with `release`, `hold` and so on."""

    async def listed(request: Request) -> Response:
        commands = mission.commands
        health = commands.sender.health
        queue = {
            "uplink": {"state": str(health.state), "detail": health.detail},
            "sends": commands.sends,
            "light_time": commands.light_time.as_json(),
            "release_persons": mission.settings.release_persons,
            "uploads": [upload.entry.as_json() for upload in commands.queue.uploads()],
        }
        tag = entity_tag(dumps(queue).encode())  # without the time, which always changes
        headers = {"ETag": f"W/{tag}", "Cache-Control": "private, no-cache"}
        if check_preconditions(request, tag, None):
            return Response(status_code=304, headers=headers)
        return json_response({**queue, "now": iso(time())}, headers=headers)

    def acting(action: str) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            with mission.serving.receiving(request):
                body = await json_object(request, mission.serving.bodies)
            _check_members(action, body)
            commands = mission.commands
            upload = commands.find(request.path_params["upload_id"])
            persons = mission.settings.release_persons
            identity = request.scope.get(IDENTITY, EVERYONE)
            if persons > 1 and not identity.name:
                raise NameRequired
            by = author(request, body, mission.tokens.has_name)
            await commands.queue.wait_entered(upload)
            change = _change(action, commands, upload, by, identity.token, body)
            sending = change(revision=_whole(body, "revision"))
            await commands.sync()
            mission.audit.record(
                f"queue.{action}", upload=upload.id, stated_name=by, state=str(sending.state)
            )
            return json_response(upload.entry.as_json())

        act.__name__ = f"{action}_sequence"  # the id of the operation
        return act

    return [
        Operation(
            "/queue",
            listed,
            "The accepted sequences on their way to the rover, in order",
            headers={"If-None-Match": "entity tags that the client has"},
            answers={
                200: Answer(
                    "the queue, the uplink and the light time",
                    ref("Queue"),
                    headers={"ETag": "of all but `now`"},
                ),
                304: Answer("the client has it"),
            },
        ),
        *(
            Operation(
                f"/uploads/{{upload_id}}/{action}",
                acting(action),
                summary,
                method="POST",
                body=Body({JSON: ref(BODIES.get(action, "QueueAction"))}),
                answers={200: Answer("the upload", ref("ListedUpload"))},
                errors=[
                    BadBody,
                    UnknownUpload,
                    NotQueued,
                    NotNow,
                    SecondPersonRequired,
                    OtherReleaseTime,
                    ReleaseTimePast,
                    NameRequired,
                ],
                required_scope="release",
            )
            for action, summary in ACTIONS.items()
        ),
    ]


def _check_members(action: str, body: Mapping[str, Any]) -> None:
    """Check that a body has no other members: with another name for `at`, it would leave at once.

    Raises:
        BadBody: it has.
    """
    known = UPLOAD_SCHEMAS[BODIES.get(action, "QueueAction")]["properties"]
    for name in body:
        if name not in known:
            raise BadBody(f"`{name[:80]}` is not known: `{action}` takes {', '.join(known)}")


def _change(
    action: str, commands: Commands, upload: Upload, by: str, token: str, body: Mapping[str, Any]
) -> Callable[..., Sending]:
    queue = commands.queue
    if action == "release":
        return partial(queue.release, upload, by, at=_time(body, "at"), token=token)
    if action == "resend":
        return partial(queue.resend, upload, by, token=token)
    if action == "move":
        before = body.get("before")
        if before is not None and not isinstance(before, str):
            raise BadBody("`before` must be the id of an upload in the queue, or null")
        return partial(queue.move, upload, commands.find(before) if before else None, by)
    actions: dict[str, Callable[..., Sending]] = {
        "hold": queue.hold,
        "withdraw": queue.withdraw,
        "sent": queue.confirm_sent,
    }
    return partial(actions[action], upload, by)


def _time(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            # in milliseconds, as others see it, and may state it again
            whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            return whole.astimezone(UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        pass  # OverflowError: in UTC, it is before the year 1 or after 9999
    raise BadBody(f"`{name}` must be a time with an offset, such as 2026-11-22T07:00:00Z")


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and type(value) is not int:
        raise BadBody(f"`{name}` must be a whole number")
    return value
