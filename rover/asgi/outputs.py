"""The connection behind an ASGI `send`, for bytes that are framed once for many clients.

A `send` costs three times as much as the write to the connection. An **output** writes to it, which
is right only if nothing between the app and the server changes what is sent. So there is an output
only if `send` is the server's own, or is wrapped only by functions of Starlette and of this package
that pass bodies and messages unchanged. Other middleware, such as compression, leaves `send`.
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.middleware.errors import ServerErrorMiddleware

from rover.asgi.headers import ResponseHeaders
from rover.asgi.servers.uvicorn import Output, chunked_output, websocket_output

if TYPE_CHECKING:
    from starlette.types import Send


def output_of(send: Send) -> Output | None:
    """The connection that `send` writes to, after the response or the WebSocket has begun.

    Returns:
        `None` if the server does not show it, if its response is not of chunks, or if `send` is
        wrapped.
    """
    inner: Any = send
    while isinstance(inner, FunctionType) and (code := inner.__code__) in _UNCHANGED:
        assert inner.__closure__ is not None  # noqa: S101 # it has the variable `send`
        inner = inner.__closure__[code.co_freevars.index("send")].cell_contents
    return chunked_output(inner) or websocket_output(inner)


def _nested(code: CodeType, *names: str) -> CodeType | None:
    """The code of a function that is defined in another one, by the names on the way to it."""
    for name in names:
        inner = [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name]
        if len(inner) != 1:
            return None
        [code] = inner
    return code if "send" in code.co_freevars else None


_UNCHANGED = {
    _nested(ResponseHeaders.__call__.__code__, "send_with_headers"),
    _nested(ServerErrorMiddleware.__call__.__code__, "_send"),
    _nested(wrap_app_handling_exceptions.__code__, "wrapped_app", "sender"),
}
"""The code of wrappers that only look at the first message. In a Starlette that has others, `None`
takes their place, and clients are served by `send`."""
