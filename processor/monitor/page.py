"""``/``: the page, whose parts are under ``/static/``."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

STATIC: Final = Path(__file__).parent / "static"


@router.get("/")
async def page() -> Response:
    """The page itself."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/favicon.ico")
async def favicon() -> Response:
    """The icon, for browsers that ask without being told."""
    return FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml")
