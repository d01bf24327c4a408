"""The pages for signing in. They work without JavaScript."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

STYLE = """
:root { color-scheme: dark; }
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 16px;
  background: #0a0c0f; color: #e9edf2;
  font: 15px/1.5 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Helvetica, Arial, sans-serif;
}
main {
  width: 100%; max-width: 380px; padding: 28px 24px;
  background: #11151a; border: 1px solid #232a33; border-radius: 6px;
}
.product { margin: 0 0 20px; color: #98a4b3; }
.product b { color: #e07a4b; font-weight: 600; }
h1 { margin: 0 0 12px; font-size: 20px; font-weight: 600; }
p { margin: 0 0 14px; overflow-wrap: anywhere; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 13px; }
.hint { color: #98a4b3; font-size: 13px; margin: 16px 0 0; }
.error { padding: 8px 12px; background: #2e1715; color: #ff7a6b; border-radius: 6px; }
label { display: block; margin-bottom: 6px; color: #98a4b3; font-size: 13px; }
input, button {
  width: 100%; min-height: 44px; padding: 0 12px; border-radius: 6px; font: inherit;
}
input { background: #0c0f13; color: inherit; border: 1px solid #39424e; margin-bottom: 14px; }
button { background: #86c5ff; color: #0a0c0f; border: 0; font-weight: 600; cursor: pointer; }
button:hover { background: #a9d6ff; }
a { color: #86c5ff; }
:focus-visible { outline: 2px solid #86c5ff; outline-offset: 2px; }
"""

POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'",
        "img-src data:",  # the empty icon
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    # With `no-referrer`, browsers send `Origin: null` with a form, which is refused.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

FIELD = (
    '<label for="token">Access token</label>'
    '<input id="token" name="token" type="password" autocomplete="current-password" required '
    'autofocus maxlength="1000" spellcheck="false">'
)

HINT = (
    "You get a token from the person who runs this server: "
    "<code>rover token add NAME --scope view</code>"
)


def form(hidden: Mapping[str, str], fields: str = "") -> str:
    """The form that signs in.

    Args:
        hidden: fields that the page does not show.
        fields: HTML of the other fields.
    """
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in hidden.items()
    )
    return f'<form method="post" action="sign-in">{inputs}{fields}<button>Sign in</button></form>'


def page(
    title: str,
    parts: Sequence[str],
    *,
    status: int = 200,
    error: str = "",
    refresh: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page.

    Args:
        title: its heading.
        parts: HTML of its body.
        status: of the response.
        error: text above the other parts.
        refresh: the URL that the browser opens at once.
        headers: in addition to those of each page.
    """
    alert = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    meta = f'<meta http-equiv="refresh" content="0; url={escape(refresh)}">' if refresh else ""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f'{meta}<link rel="icon" href="data:,"><title>{escape(title)} · Cosmic Rover</title>'
        f"<style>{STYLE}</style></head><body><main>"
        '<p class="product"><b>Cosmic Rover</b> Mission Control</p>'
        f"<h1>{escape(title)}</h1>{alert}{''.join(parts)}</main></body></html>"
    )
    return HTMLResponse(text, status, {**HEADERS, **(headers or {})})
