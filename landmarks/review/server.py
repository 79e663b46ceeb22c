"""The server of the review page: what it answers, and how it is started.

Annotations are not postponed here: FastAPI reads those of the functions inside `create_app`, whose types it brings.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from landmarks.errors import ImageError, LandmarksError, told
from landmarks.formats.tools.shared import edges
from landmarks.review.guard import App, Guard
from landmarks.review.pictures import LARGEST, Pictures
from landmarks.review.propose import Proposals, box_around
from landmarks.review.session import QUEUES, WITHOUT, ConflictError, Session
from landmarks.review.side_by_side import SideBySide
from landmarks.schemes import LARGEST as LARGEST_QUANTITY

if TYPE_CHECKING:
    from fastapi import FastAPI

TOKEN_VARIABLE = "LANDMARKS_REVIEW_TOKEN"
"""Sets the token, so that a page that is open goes on with a server that was started again."""
MOST_BYTES = 1 << 16
"""Of a request, where the page takes no pictures."""
MOST_PICTURE_BYTES = 32 << 20
"""Of a request, where it does."""
STATIC = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def create_app(
    session: Session, pictures: Pictures, proposals: Proposals, side_by_side: SideBySide | None = None
) -> "FastAPI":
    """The application behind the guard. Raises LandmarksError without the extra `review`."""
    fastapi = needed("fastapi")
    import jinja2
    from fastapi import Body, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse, Response

    app = fastapi.FastAPI(title="landmarks review", docs_url=None, redoc_url=None, openapi_url=None)
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("landmarks.review"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    static = {path.name: path.read_bytes() for path in files("landmarks.review").joinpath("static").iterdir()}
    layout, name = session.run.layout, session.run.path.resolve().name
    facts: dict[str, Any] = {
        "run": name,
        "who": session.who,
        "points": layout.scheme.points,
        "edges": edges(layout.scheme),
        "attributes": [
            {"name": attribute.name, "labels": attribute.labels, "note": attribute.note}
            for attribute in map(layout.attribute, session.view.attributes)
        ],
        "quantities": [
            {"name": quantity.name, "unit": quantity.unit, "note": quantity.note}
            for quantity in map(layout.quantities.__getitem__, session.view.quantities)
        ],
        "largest": LARGEST_QUANTITY,
        "queues": [*QUEUES, WITHOUT],
    }

    def answer(status: int) -> Callable[[Request, Exception], Response]:
        return lambda request, error: JSONResponse({"message": told(error)}, status)

    @app.exception_handler(RequestValidationError)
    def not_ours(request: Request, error: Exception) -> Response:
        return JSONResponse({"message": "the request is not what the page sends"}, 400)

    for kind, status in ((LandmarksError, 400), (ImageError, 404), (ConflictError, 409), (OSError, 507)):
        app.exception_handler(kind)(answer(status))

    @app.get("/")
    def page() -> HTMLResponse:
        text = templates.get_template("review.html").render(facts=facts, side_by_side=side_by_side is not None)
        return HTMLResponse(text)

    @app.get("/static/{file}")
    def asset(file: str) -> Response:
        if file not in static:
            return Response(status_code=404)
        return Response(static[file], media_type=STATIC.get(file.rpartition(".")[2], "text/plain"))

    @app.get("/api/facts")
    def get_facts() -> dict[str, Any]:
        return facts

    @app.get("/api/queue")
    def get_queue(of: str = "doubtful") -> dict[str, Any]:
        if of not in facts["queues"]:
            raise LandmarksError(f"unknown queue; known: {', '.join(facts['queues'])}")
        return {"faces": session.queue(of), "progress": session.progress()}

    @app.get("/api/face/{image}")
    def get_face(image: int, face: str = "") -> dict[str, Any]:
        return session.face(image, face)

    @app.get("/api/picture/{image}")
    def get_picture(
        image: int,
        x0: int | None = None,
        y0: int | None = None,
        x1: int | None = None,
        y1: int | None = None,
        side: int = LARGEST,
    ) -> Response:
        place = (x0, y0, x1, y1)
        rectangle = None if None in place else [value for value in place if value is not None]
        data = pictures.cut(session.name(image), rectangle, side)
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    @app.post("/api/say")
    def say(document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        face = session.say(document)
        return {"face": face, "progress": session.progress()}

    @app.post("/api/propose")
    def propose(document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """box: where the face is; or points, around which it is. quarters: how it is turned."""
        image, quarters = document.get("image"), document.get("quarters", 0)
        if not isinstance(image, int) or not isinstance(quarters, int):
            raise LandmarksError("image and quarters are numbers")
        pixels = pictures.pixels(session.name(image))
        return proposals(pixels, _place(document, session), quarters % 4)

    if side_by_side is not None:
        networks = side_by_side

        @app.get("/networks")
        def networks_page() -> HTMLResponse:
            text = templates.get_template("networks.html").render(run=name, networks=networks.names)
            return HTMLResponse(text)

        @app.post("/api/networks")
        def annotate(picture: Annotated[bytes, Body(media_type="application/octet-stream")]) -> dict[str, Any]:
            return networks(picture)

    return app


def _place(document: Mapping[str, Any], session: Session) -> Any:
    """The box of a face that the network is to look at."""
    import numpy as np

    points = document.get("points")
    if points is None:
        return document.get("box")
    try:
        place = np.array(points, float).reshape(len(session.run.layout.scheme), 2)
    except (TypeError, ValueError) as error:
        raise LandmarksError("points are pairs of numbers, one for each landmark") from error
    return box_around(place, session.run.layout.scheme)


def serve(app: App, host: str, port: int, picture_bodies: bool, tell: Callable[[str], None]) -> None:
    """Serve until it is interrupted. tell: is given the address to open. Raises OSError if the port cannot be had."""
    uvicorn = needed("uvicorn")
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sends small answers at once, not when the browser has confirmed the last one.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise LandmarksError(f"{host}:{port}: cannot be had ({told(error)}); choose another --port") from error
        port = listener.getsockname()[1]
        hosts = allowed_hosts(host, port)
        most = MOST_PICTURE_BYTES if picture_bodies else MOST_BYTES
        config = uvicorn.Config(
            Guard(app, token, hosts, most), log_level="warning", access_log=False, server_header=False,
            proxy_headers=False, lifespan="off", timeout_keep_alive=30, limit_concurrency=64, ws="none",
        )  # fmt: skip
        tell(f"http://{hosts[0]}/{token}/")
        uvicorn.Server(config).run(sockets=[listener])


def allowed_hosts(host: str, port: int) -> list[str]:
    """What a browser may call the server: the address it was given first."""
    named = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    names = [f"[{named}]" if ":" in named else named, "localhost", "127.0.0.1", "[::1]"]
    return [f"{name}:{port}" for name in dict.fromkeys(names)]


def needed(package: str) -> Any:
    """A package of the extra `review`. Raises LandmarksError if it is not installed."""
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        raise LandmarksError(
            f"{package} cannot be imported ({error}); the page needs an extra: pip install 'landmarks[review]'"
        ) from error


def default_who() -> str:
    """The name of whoever is logged in here."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
