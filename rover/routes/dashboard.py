"""The Mission Control page: files built from `web/`, under a strict content security policy."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from rover.api import Answer, Operation
from rover.api.schema import TEXT
from rover.asgi.compression import accepted_coding
from rover.errors import RoverError
from rover.routes.session import follow_link

if TYPE_CHECKING:
    from starlette.requests import Request

    from rover.routes.session import HasSignIns

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # the page shows an arriving image from the received bytes
        "connect-src 'self'",
        "worker-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

IMMUTABLE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # the file name contains a hash
    "Content-Security-Policy": POLICY,  # a worker has the policy of its file
}


CODINGS = {"br": ".br", "gzip": ".gz"}
"""Content codings of the files that the build has compressed, and their suffixes."""


class PageNotBuilt(RoverError):
    """The files of the page are missing."""

    def __init__(self) -> None:
        super().__init__("the page is not built; run `make web`, or install the wheel")


def web_folder() -> Path | None:
    """The folder of the built page: in the installed package, or in the checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "_web", package.parent / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


def routes(mission: HasSignIns) -> list[BaseRoute]:
    """`GET /`, and the files of the page."""
    folder = web_folder()

    async def page(request: Request) -> Response:
        if folder is None:
            raise PageNotBuilt
        if token := request.query_params.get("token"):
            return follow_link(mission, request, token)
        return FileResponse(folder / "index.html", headers=PAGE_HEADERS)

    files = [f for f in sorted(folder.rglob("*")) if f.is_file()] if folder else []
    home = Operation(
        "/",
        page,
        "The Mission Control page",
        answers={200: Answer("the page", TEXT, ["text/html"])},
    )
    served = [f for f in files if f.suffix not in CODINGS.values()]
    return [home, *(_file_route(folder, f) for f in served if folder)]


def _file_route(folder: Path, file: Path) -> BaseRoute:
    name = file.relative_to(folder).as_posix()
    headers = IMMUTABLE_HEADERS if name.startswith("assets/") else PAGE_HEADERS

    compressed = {
        coding: packed
        for coding, suffix in CODINGS.items()
        if (packed := file.with_name(file.name + suffix)).is_file()
    }
    media_type = guess_type(name)[0]

    async def respond(request: Request) -> Response:
        coding = accepted_coding(request.scope, list(compressed))
        response = FileResponse(compressed.get(coding or "", file), 200, headers, media_type)
        if compressed:
            response.headers["Vary"] = "Accept-Encoding"
        if coding:
            response.headers["Content-Encoding"] = coding
        return response

    return Route(f"/{name}", respond)
