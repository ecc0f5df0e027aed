"""``/docs``: the API as one plain page, made of its OpenAPI; nothing is loaded from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}: API</title>
<link rel="stylesheet" href="/static/plain.css">
</head>
<body>
<main>
<h1>{title} {version}</h1>
<p>The whole description is <a href="/openapi.json">openapi.json</a>, OpenAPI {openapi}.</p>
"""
_FOOT: Final = "</main>\n</body>\n</html>\n"


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """The API as a page."""
    return HTMLResponse(page_of(request.app.openapi()), headers={"Cache-Control": "no-cache"})


def page_of(openapi: Mapping[str, Any]) -> str:
    """The page that describes an API."""
    info = openapi["info"]
    head = _HEAD.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        openapi=escape(openapi["openapi"]),
    )
    schemas = openapi.get("components", {}).get("schemas", {})
    return head + "".join(_operations(openapi)) + "".join(_schemas(schemas)) + _FOOT


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            name = escape(operation["operationId"])
            yield f'<section id="{name}">\n<h2>{method.upper()} {escape(path)}</h2>\n'
            yield f"<p>{_text(operation.get('summary', ''))}. "
            yield f"{_text(operation.get('description', ''))}</p>\n"
            yield from _parameters(operation.get("parameters", ()))
            yield from _responses(operation["responses"])
            yield "</section>\n"


def _parameters(parameters: Any) -> Iterator[str]:
    if not parameters:
        return
    yield "<table>\n<tr><th>parameter</th><th>in</th><th>what</th><th>example</th></tr>\n"
    for parameter in parameters:
        schema = parameter.get("schema", {})
        example = next(iter(schema.get("examples", ())), schema.get("default", ""))
        cells = (
            f"<code>{escape(parameter['name'])}</code>",
            escape(parameter["in"]),
            _text(parameter.get("description", "")),
            f"<code>{escape(str(example or ''))}</code>",
        )
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
    yield "</table>\n"


def _responses(responses: Mapping[str, Any]) -> Iterator[str]:
    yield "<ul>\n"
    for status, response in responses.items():
        kinds = ", ".join(_kind(*item) for item in response.get("content", {}).items())
        yield f"<li>{escape(status)}: {_text(response['description'])}"
        yield f" ({kinds})</li>\n" if kinds else "</li>\n"
        for content in response.get("content", {}).values():
            if "example" in content:
                yield f"<li><pre>{escape(str(content['example']))}</pre></li>\n"
    yield "</ul>\n"


def _kind(media_type: str, content: Mapping[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    kind = escape(media_type)
    return f'{kind} <a href="#{escape(name)}">{escape(name)}</a>' if name else kind


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<section id="{escape(name)}">\n<h2>{escape(name)}</h2>\n'
        yield f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>\n</section>\n"


def _text(text: str) -> str:
    """Text with what is between backticks as code."""
    parts = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
