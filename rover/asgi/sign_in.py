"""The pages that let a person sign in, for browsers without access."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from rover.asgi.forms import FormKeys, check_same_origin, local_target
from rover.asgi.request_headers import by_name
from rover.asgi.sign_in_page import FIELD, HINT, form, page
from rover.errors import AccessRefused, FormRefused, SessionEnded, TokenRequired, WrongToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from rover.asgi.session_cookies import SessionCookies
    from rover.tokens import Tokens

FIELDS = "rover.form"
"""The key of the fields of a form in an ASGI scope."""

BROWSER = "signin"
"""The kind of cookie that ties a form to a browser."""

SECRETS = (b"token=", b"ticket=", b"code=")

NO_TOKENS = (
    "this server has no tokens, so it serves only its own machine; on that machine, run "
    "`rover token add NAME --scope view` and sign in with the token"
)


class SignInForms:
    """Makes the pages, and checks the forms that browsers send.

    Args:
        cookies: those of browsers.
        tokens: whether there are any.
    """

    def __init__(self, cookies: SessionCookies, tokens: Tokens) -> None:
        self._cookies = cookies
        self._tokens = tokens
        self._keys = FormKeys()

    def check(self, scope: Scope, receive: Receive, fields: Mapping[str, str]) -> None:
        """Check that a page of this server sent a form.

        Raises:
            FormRefused: another page sent it, or the form is out of date.
        """
        scope[FIELDS] = fields
        check_same_origin(scope)
        self._keys.check(
            self._cookies.read(scope, receive, by_name(scope), BROWSER), fields.get("key", "")
        )

    def for_error(
        self,
        exc: Exception,
        status: int,
        headers: Mapping[str, str],
        scope: Scope,
        receive: Receive,
    ) -> Response | None:
        """The page for an error; `None` if the client is not a browser, and for other errors.

        Args:
            exc: the error.
            status: of the response.
            headers: of the response.
            scope: of the request.
            receive: of the request.
        """
        if scope["type"] != "http" or not accepts_html(scope):
            return None
        if isinstance(exc, TokenRequired | FormRefused) and self._tokens.required:
            is_notable = isinstance(exc, SessionEnded | WrongToken | FormRefused)
            error = str(exc) if is_notable else ""
            if up := _way_up(scope):
                return _link(f"{up}sign-in?next={quote(_target_of(scope))}", error, status, headers)
            return self.token_form(scope, receive, error=error, status=status, headers=headers)
        if isinstance(exc, FormRefused) and (code := scope.get(FIELDS, {}).get("code")):
            return self.button(scope, receive, {"code": code}, error=str(exc), status=status)
        if isinstance(exc, TokenRequired | AccessRefused):
            return page("No access", [_paragraph(str(exc))], status=status, headers=headers)
        return None

    def token_form(
        self,
        scope: Scope,
        receive: Receive,
        *,
        error: str = "",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page with a field for the token.

        Args:
            scope: of the request.
            receive: of the request.
            error: why the last attempt failed.
            status: of the response.
            headers: of the response.
        """
        if not self._tokens.required:
            return page("No access", [_paragraph(error or NO_TOKENS)], status=status)
        browser, hidden = self._hidden(scope, receive)
        parts = [form(hidden, FIELD), f'<p class="hint">{HINT}</p>']
        # A browser sends no strict cookie with the first request after a link from another site.
        is_first = scope["method"] == "GET" and not is_own_navigation(scope)
        refresh = hidden["next"] if is_first else ""
        response = page(
            "Sign in", parts, status=status, error=error, refresh=refresh, headers=headers
        )
        self._cookies.set(response, scope, receive, browser, kind=BROWSER)
        return response

    def button(
        self,
        scope: Scope,
        receive: Receive,
        secret: Mapping[str, str],
        *,
        person: str = "",
        error: str = "",
        status: int = 200,
    ) -> Response:
        """A page with only a button, for a link that has a token or a code.

        A link alone must not sign in: programs open links for a preview, and a link of another site
        may have the token of somebody else.

        Args:
            scope: of the request.
            receive: of the request.
            secret: the field with the token or the code.
            person: the name of the token.
            error: why the last attempt failed.
            status: of the response.
        """
        browser, hidden = self._hidden(scope, receive)
        name = f" as {person}" if person else ""
        parts = [
            _paragraph(f"Do you want to sign in{name} with this browser?"),
            form({**hidden, **secret}),
        ]
        response = page("Sign in", parts, status=status, error=error)
        self._cookies.set(response, scope, receive, browser, kind=BROWSER)
        return response

    def _hidden(self, scope: Scope, receive: Receive) -> tuple[str, dict[str, str]]:
        """The value of the browser's cookie, and the hidden fields of its form."""
        browser = self._keys.browser_of(self._cookies.read(scope, receive, by_name(scope), BROWSER))
        target = scope.get(FIELDS, {}).get("next") or _target_of(scope)
        return browser, {"key": self._keys.key_for(browser), "next": target}


def accepts_html(scope: Scope) -> bool:
    """Whether the client is a browser that opens a page."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def is_own_navigation(scope: Scope) -> bool:
    """Whether the person opened the page, or a page of this server did, and not another site."""
    return not any(
        name == b"sec-fetch-site" and value in (b"cross-site", b"same-site")
        for name, value in scope["headers"]
    )


def _link(target: str, error: str, status: int, headers: Mapping[str, str]) -> Response:
    """A page that leads to the form, which must be at the top because of the path of its cookie."""
    link = f'<p><a href="{escape(target)}">Sign in</a></p>'
    return page("Sign in", [link], status=status, error=error, refresh=target, headers=headers)


def _below_prefix(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _way_up(scope: Scope) -> str:
    """The relative URL from the path of a request to the top; empty at the top."""
    return "../" * (_below_prefix(scope).count("/") - 1)


def _target_of(scope: Scope) -> str:
    """Where to go after signing in: `next` in the query of `/sign-in`, else the requested page."""
    path, query = _below_prefix(scope), scope["query_string"]
    if path == "/sign-in":
        given = dict(parse_qsl(query.decode("latin-1"))).get("next", "")
        return local_target(given)
    if scope["method"] not in ("GET", "HEAD"):
        return "./"
    has_secret = any(secret in query for secret in SECRETS)
    text = quote(path)
    return local_target(text if has_secret or not query else f"{text}?{query.decode('latin-1')}")


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
