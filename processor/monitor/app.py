"""The monitor's web application: one place where its parts meet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from processor.monitor import (
    docs_page,
    health_api,
    history_api,
    login,
    page,
    prometheus_api,
    readings_api,
    stream,
)
from processor.monitor.monitor import Monitor
from processor.monitor.negotiation import HeadAsGet, WeakTags
from processor.monitor.openapi import add_openapi
from processor.monitor.problems import add_problem_handlers
from processor.monitor.security import Guard, SecurityHeaders
from processor.monitor.sessions import Doorkeeper
from processor.settings import ConfigurationError, Settings

_ROUTERS = (
    readings_api.router,
    stream.router,
    history_api.router,
    prometheus_api.router,
    health_api.router,
    login.router,
    docs_page.router,
    page.router,
)
_DESCRIPTION = (
    "Customer-experience metrics as they are now and as they were. Errors are problems of RFC "
    "9457. Where the monitor has a token, everything but the health checks needs it: as a bearer, "
    "or as a session that /login begins."
)


def create_app(settings: Settings, *, monitor: Monitor | None = None) -> FastAPI:
    """The application of one monitor; nothing connects before it is started.

    Args:
        settings: the configuration.
        monitor: its parts; made of the settings unless given.

    Raises:
        ConfigurationError: it must not listen on that address without a token, or a metric of
            one's own cannot be.
    """
    if settings.monitor.refusal is not None:
        raise ConfigurationError(settings.monitor.refusal)
    app = FastAPI(
        title="cxpulse",
        version=version("cxpulse"),
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    token = settings.monitor.token
    doorkeeper = Doorkeeper(
        None if token is None else token.get_secret_value(), settings.monitor.session_life_s
    )
    app.state.monitor = monitor or Monitor(settings)
    app.state.doorkeeper = doorkeeper
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=page.STATIC), name="static")
    add_problem_handlers(app)
    add_openapi(app, with_token=not doorkeeper.is_open)
    app.add_middleware(HeadAsGet)
    # The page and lists of readings shrink to a fifth; event streams it leaves as they are.
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(WeakTags)
    # The last one is the first that a request meets.
    app.add_middleware(Guard, settings=settings.monitor, doorkeeper=doorkeeper)
    if settings.monitor.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.monitor.cors_origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Link"],
        )
    app.add_middleware(SecurityHeaders, cors=bool(settings.monitor.cors_origins))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    monitor: Monitor = app.state.monitor
    await monitor.start()
    try:
        yield
    finally:
        await monitor.stop()
