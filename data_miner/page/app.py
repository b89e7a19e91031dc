"""The page's addresses, and what answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from data_miner.config import AppConfig, Stage
from data_miner.db import page
from data_miner.db.connect import Connection, first_line
from data_miner.db.projects import STATES, project_config, project_names, read_status, stage_counts
from data_miner.db.rates import read_rates
from data_miner.errors import MinerError
from data_miner.page.access import COOKIE, FIELD, SESSION_S, Access, from_here
from data_miner.page.headers import SafeHeaders
from data_miner.page.pictures import SIDES, picture_path, scaled
from data_miner.page.reader import Reader
from data_miner.page.recent import Recent
from data_miner.page.render import asset, render
from data_miner.queue import leases
from data_miner.queue.pauses import paused

#: workers that reported within this many seconds are alive
ALIVE_S = 30.0
GALLERY, GROUPS, FAILED = 48, 12, 50
_REFRESH_S = 15
#: counting a million items takes a second
RECENT_S = 5.0
_STATIC = {"page.css": "text/css", "icon.svg": "image/svg+xml"}
#: of the longest id
_DIGITS = 18
_LARGEST_FORM = 64 << 10
#: whoever guesses the token waits this long for each guess
_WRONG_S = 1.0
_SEE_OTHER, _BAD, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE, _AWAY = 303, 400, 403, 404, 413, 503


def make_app(reader: Reader, access: Access) -> Starlette:
    """Return the application."""
    pages = Pages(reader, access)
    routes = [
        Route("/", pages.overview),
        Route("/healthz", pages.healthz),
        Route("/static/{name}", pages.static),
        Route("/login", pages.login),
        Route("/login", pages.log_in, methods=["POST"]),
        Route("/logout", pages.log_out, methods=["POST"]),
        Route("/p/{project}", pages.project),
        Route("/p/{project}/failed", pages.failed),
        Route("/p/{project}/retry", pages.retry, methods=["POST"]),
        Route("/p/{project}/gallery", pages.gallery),
        Route("/p/{project}/duplicates", pages.duplicates),
        Route("/p/{project}/scores", pages.scores),
        Route("/frame/{video}/{frames_hash}/{time_ms:int}.jpg", pages.picture),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(SafeHeaders)],
        exception_handlers={
            HTTPException: pages.refused,
            MinerError: pages.away,
            psycopg.Error: pages.away,
        },
    )


class Pages:
    """What answers.

    Args:
        reader: of the database and the store.
        access: who may change something.
    """

    def __init__(self, reader: Reader, access: Access) -> None:
        self.reader = reader
        self.access = access
        self._recent = Recent(RECENT_S)

    def overview(self, request: Request) -> Response:
        """Show all projects, who works, and which sites refuse us."""
        with self.reader.connection() as connection:
            values = self._counts(connection, None)
        return self._page(request, "overview", values, refresh=True)

    def project(self, request: Request) -> Response:
        """Show one project, and its errors by cause."""
        with self._project(request) as (connection, config):
            values = self._counts(connection, config.project)
            causes = self._recent.get(
                ("causes", config.project), lambda: page.causes(connection, config.project)
            )
        return self._page(request, "project", {**values, "config": config, "causes": causes}, refresh=True)

    def failed(self, request: Request) -> Response:
        """Show a project's dead letters, with a way to try them again."""
        chosen = request.query_params.get("stage")
        stage = Stage(chosen) if chosen in set(Stage) else None
        number, offset = _page_number(request, FAILED)
        with self._project(request) as (connection, config):
            items, total = page.failed(connection, config.project, stage, limit=FAILED, offset=offset)
        values = {"config": config, "items": items, "stage": stage, "stages": config.stages}
        query = {"stage": stage.value} if stage else {}
        return self._page(request, "failed", {**values, **_paging(number, total, FAILED, query)})

    def gallery(self, request: Request) -> Response:
        """Show the dataset's frames with their boxes."""
        number, offset = _page_number(request, GALLERY)
        with self._project(request) as (connection, config):
            pictures, total = self.reader.gallery(connection, config, limit=GALLERY, offset=offset)
        values = {"config": config, "pictures": pictures, **_paging(number, total, GALLERY, {})}
        return self._page(request, "gallery", values)

    def duplicates(self, request: Request) -> Response:
        """Show groups of near duplicates side by side."""
        number, offset = _page_number(request, GROUPS)
        with self._project(request) as (connection, config):
            groups, total = self.reader.duplicates(connection, config, limit=GROUPS, offset=offset)
        values = {"config": config, "groups": groups, **_paging(number, total, GROUPS, {})}
        return self._page(request, "duplicates", values)

    def scores(self, request: Request) -> Response:
        """Show how the filter's scores are spread, and where the thresholds are."""
        with self._project(request) as (connection, config):
            histograms = self.reader.histograms(connection, config)
        return self._page(request, "scores", {"config": config, "histograms": histograms})

    def picture(self, request: Request) -> Response:
        """Send a frame."""
        names = request.path_params
        asked = request.query_params.get("side", "")
        side = int(asked) if asked in {str(known) for known in SIDES} else SIDES[0]
        path = picture_path(self.reader.store, names["video"], names["frames_hash"], names["time_ms"])
        if path is None:
            raise HTTPException(_NOT_FOUND, "no such frame")
        # Names hold a hash of the content, so a picture never changes.
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        try:
            body = scaled(path, side)
        except OSError as error:
            raise HTTPException(_NOT_FOUND, "this frame can not be read") from error
        return Response(body, media_type="image/jpeg", headers=headers)

    def static(self, request: Request) -> Response:
        """Send the style sheet or the icon."""
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(_NOT_FOUND, "no such file")
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(asset(name), media_type=_STATIC[name], headers=headers)

    def healthz(self, request: Request) -> Response:  # noqa: ARG002 - asked of all alike
        """Say that requests are answered; whether the database is there is not this container's to mend."""
        return PlainTextResponse("ok\n")

    def login(self, request: Request) -> Response:
        """Ask for the token."""
        return self._page(request, "login", {"wrong": False})

    async def log_in(self, request: Request) -> Response:
        """Start a session for whoever has the token."""
        form = await _form(request)
        if not from_here(request):
            raise HTTPException(_FORBIDDEN, "this form came from another site")
        if not self.access.knows(form.get("token", "")):
            await asyncio.sleep(_WRONG_S)
            return self._page(request, "login", {"wrong": True}, status=_FORBIDDEN)
        answer = RedirectResponse("/", _SEE_OTHER)
        answer.set_cookie(
            COOKIE, self.access.new_session(), max_age=SESSION_S, httponly=True, samesite="strict"
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        """Forget the session."""
        await self._changing(request)
        answer = RedirectResponse("/", _SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def retry(self, request: Request) -> Response:
        """Make dead letters ready again: single ones, those of a stage, or all of a project."""
        form = await self._changing(request)
        await run_in_threadpool(self._retry, request, form)
        query = urlencode({"stage": form["stage"]}) if form.get("stage") else ""
        back = f"/p/{quote(request.path_params['project'], safe='')}/failed"
        return RedirectResponse(f"{back}?{query}" if query else back, _SEE_OTHER)

    def refused(self, request: Request, error: Exception) -> Response:
        """Say why a request is not answered."""
        if not isinstance(error, HTTPException):
            raise error
        values = {"title": error.detail, "text": ""}
        return self._page(request, "message", values, status=error.status_code)

    def away(self, request: Request, error: Exception) -> Response:
        """Say that the database or the storage is away."""
        text = first_line(error)
        return self._page(request, "message", {"title": "Not now", "text": text}, status=_AWAY)

    def _counts(self, connection: Connection, project: str | None) -> dict[str, Any]:
        """Return what the tables of stages show, of one project or of all."""

        def find() -> dict[str, Any]:
            status = read_status(connection, project=project, alive_s=ALIVE_S)
            return {
                "status": status,
                "counts": {one["project"]: stage_counts(status, one["project"]) for one in status.projects},
                "rates": read_rates(connection, project=project),
                "paused": paused(connection, project),
                "states": STATES,
            }

        return self._recent.get(("counts", project), find)

    def _retry(self, request: Request, form: dict[str, str]) -> None:
        with self._project(request) as (connection, config):
            item, stage = form.get("item"), form.get("stage")
            if item:
                ids = [int(item)] if item.isdecimal() and len(item) <= _DIGITS else []
                leases.retry(connection, config.project, ids=ids)
            elif stage and stage not in set(Stage):
                raise HTTPException(_BAD, f"There is no stage {stage}")
            else:
                leases.retry(connection, config.project, Stage(stage) if stage else None)

    async def _changing(self, request: Request) -> dict[str, str]:
        """Return the form of a request that may change something."""
        form = await _form(request)
        if not self.access.may_change(request, form):
            raise HTTPException(_FORBIDDEN, "Log in first, then use the page's own buttons")
        return form

    @contextmanager
    def _project(self, request: Request) -> Iterator[tuple[Connection, AppConfig]]:
        name = request.path_params["project"]
        with self.reader.connection() as connection:
            if name not in project_names(connection):
                raise HTTPException(_NOT_FOUND, f"There is no project {name}")
            yield connection, project_config(connection, name)

    def _page(
        self,
        request: Request,
        template: str,
        values: dict[str, Any],
        *,
        status: int = 200,
        refresh: bool = False,
    ) -> Response:
        session = self.access.session(request)
        shared = {
            "request_path": request.url.path,
            "form_field": FIELD,
            "form_token": self.access.form_token(session) if session else None,
            "can_log_in": self.access.token is not None,
            "refresh_s": _REFRESH_S if refresh and request.query_params.get("refresh") != "off" else None,
            "can_refresh": refresh,
        }
        return HTMLResponse(render(template, {**shared, **values}), status)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form that is sent as browsers do by default."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise HTTPException(_TOO_LARGE, "This form is too large")
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _page_number(request: Request, size: int) -> tuple[int, int]:
    """Return the page that is asked for, from 1, and how many entries come before it."""
    asked = request.query_params.get("page", "1")
    number = int(asked) if asked.isdecimal() and len(asked) < len("1000000") else 1
    number = max(number, 1)
    return number, (number - 1) * size


def _paging(number: int, total: int, size: int, query: dict[str, str]) -> dict[str, Any]:
    """Return what links to other pages need."""
    last = max(1, -(-total // size))
    return {
        "number": number,
        "last": last,
        "total": total,
        "before": urlencode({**query, "page": number - 1}) if number > 1 else None,
        "after": urlencode({**query, "page": number + 1}) if number < last else None,
    }
