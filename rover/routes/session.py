"""Signing in and out with a browser, who is signed in, and one-time tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import RedirectResponse, Response

from rover.api import Answer, Body, Operation
from rover.api.schema import TEXT, ref
from rover.asgi.access import STRANGER
from rover.asgi.forms import FORM_TYPE, check_same_origin, form_fields, local_target
from rover.asgi.request_headers import by_name
from rover.asgi.responses import json_response
from rover.asgi.sign_in import accepts_html, is_own_navigation
from rover.errors import BadBody, FormRefused, ScopeRequired, TooManyFailures, WrongToken
from rover.identity import ANY, LOCAL, identity_of
from rover.sessions.tickets import TICKET_S

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.asgi.session_cookies import SessionCookies
    from rover.asgi.sign_in import SignInForms
    from rover.audit import AuditLog
    from rover.identity import Identity
    from rover.serving import Serving
    from rover.sessions import SignIns

OPEN_PATHS = frozenset({"/sign-in", "/sign-out"})
"""Paths that are served to any client."""

PAGE = Answer("the page", TEXT, ["text/html"])


class HasSignIns(Protocol):
    """The parts of a mission that these routes use."""

    sign_ins: SignIns
    sign_in_forms: SignInForms
    session_cookies: SessionCookies
    serving: Serving
    audit: AuditLog


def routes(mission: HasSignIns) -> list[BaseRoute]:
    """`/sign-in`, `POST /sign-out`, `GET /session` and `POST /tickets`."""

    async def sign_in_page(request: Request) -> Response:
        if code := request.query_params.get("code"):
            return mission.sign_in_forms.button(request.scope, request.receive, {"code": code})
        if not request.scope[STRANGER]:
            return RedirectResponse(local_target(request.query_params.get("next", "")), 303)
        return mission.sign_in_forms.token_form(request.scope, request.receive)

    async def sign_in(request: Request) -> Response:
        scope, receive = request.scope, request.receive
        fields = await form_fields(request, mission.serving.bodies)
        mission.sign_in_forms.check(scope, receive, fields)
        client = mission.serving.clients.name_of(scope, receive)
        if code := fields.get("code"):
            identity = mission.sign_ins.check_code(code.encode(), client)
        else:
            token = fields.get("token", "").strip().encode()
            identity = await mission.sign_ins.check_token(token, client)
        if not identity.allows("view"):
            raise ScopeRequired("view")
        return start_session(mission, request, identity, local_target(fields.get("next", "")))

    async def sign_out(request: Request) -> Response:
        check_same_origin(request.scope)
        end_sessions(mission, request)
        response = (
            RedirectResponse("./sign-in", 303)
            if accepts_html(request.scope)
            else Response(status_code=204)
        )
        cookies = mission.session_cookies
        cookies.set(response, request.scope, request.receive, "", max_age_s=0)
        return response

    async def session(request: Request) -> Response:
        identity = identity_of(request.scope)
        return json_response(
            {
                "name": identity.name,
                "role": identity.role,
                "scopes": sorted(identity.scopes),
                "signed_in": bool(identity.session),
            }
        )

    async def tickets(request: Request) -> Response:
        client = mission.serving.clients.name_of(request.scope, request.receive)
        ticket = mission.sign_ins.tickets.issue(identity_of(request.scope), client)
        return json_response({"ticket": ticket, "expires_s": TICKET_S})

    return [
        Operation(
            "/sign-in",
            sign_in_page,
            "The page with which a browser signs in",
            answers={200: PAGE, 303: Answer("the client has access; it is redirected")},
            required_scope="",
            other_methods=["POST"],
        ),
        Operation(
            "/sign-in",
            sign_in,
            "Sign in with a token or a one-time code",
            method="POST",
            body=Body({FORM_TYPE: ref("SignIn")}),
            answers={303: Answer("signed in; the client is redirected and has a cookie")},
            errors=[BadBody, FormRefused, ScopeRequired, WrongToken, TooManyFailures],
            required_scope="",
            other_methods=["GET", "HEAD"],
        ),
        Operation(
            "/sign-out",
            sign_out,
            "End the session of a browser",
            method="POST",
            answers={
                204: Answer("signed out"),
                303: Answer("the same, for a client that accepts HTML"),
            },
            errors=[FormRefused],
            required_scope="",
        ),
        Operation(
            "/session",
            session,
            "The client and its permissions",
            answers={200: Answer("the client", ref("Session"))},
            required_scope=ANY,
        ),
        Operation(
            "/tickets",
            tickets,
            "Make a ticket for one EventSource or WebSocket",
            method="POST",
            answers={200: Answer("the ticket", ref("Ticket"))},
            required_scope=ANY,
        ),
    ]


def follow_link(mission: HasSignIns, request: Request, token: str) -> Response:
    """The response to `/?token=…`: signs in and redirects to the URL without the token.

    If another site has the link, the person must press a button first.
    """
    identity = identity_of(request.scope)
    if identity is LOCAL:  # without tokens, nobody signs in
        return RedirectResponse("./", 303, {"Cache-Control": "no-store"})
    if not is_own_navigation(request.scope):
        return mission.sign_in_forms.button(
            request.scope, request.receive, {"token": token}, person=identity.name
        )
    return start_session(mission, request, identity, "./")


def start_session(
    mission: HasSignIns, request: Request, identity: Identity, target: str
) -> Response:
    """End the sessions of the browser, start one, and redirect to `target`."""
    end_sessions(mission, request)
    scope, receive = request.scope, request.receive
    sessions = mission.sign_ins.sessions
    text = sessions.start(identity, mission.serving.clients.name_of(scope, receive))
    mission.audit.record("sign_in", identity, session=text.partition("_")[0])
    response = RedirectResponse(target, 303)
    mission.session_cookies.set(response, scope, receive, text, max_age_s=sessions.max_s)
    return response


def end_sessions(mission: HasSignIns, request: Request) -> None:
    """End the sessions of the browser, and their open streams."""
    sessions = mission.sign_ins.sessions
    given = by_name(request.scope)
    for text in mission.session_cookies.read(request.scope, request.receive, given):
        identity = sessions.find(text)
        if identity is not None and sessions.end(identity.session):
            mission.audit.record("sign_out", identity, session=identity.session)
