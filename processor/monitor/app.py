"""The monitor's web application: one place where its parts meet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from processor.monitor import history_api, prometheus_api
from processor.monitor.monitor import Monitor
from processor.settings import ConfigurationError, Settings

_STATIC: Final = Path(__file__).parent / "static"


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
    monitor = monitor or Monitor(settings)
    app = FastAPI(
        title="cxpulse monitor",
        version=version("cxpulse"),
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.monitor = monitor
    app.include_router(history_api.router)
    app.include_router(prometheus_api.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    monitor: Monitor = app.state.monitor
    await monitor.start()
    try:
        yield
    finally:
        await monitor.stop()
