"""Routes of the pages."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'"
)
HARDENING = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


@router.get("/")
async def page() -> HTMLResponse:
    """Return the web page."""
    html = resources.files("gateway.web").joinpath("static/index.html").read_text(encoding="utf-8")
    return HTMLResponse(html, headers={**HARDENING, "content-security-policy": PAGE_POLICY})


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return Swagger UI. Its files come with the package fastapi-offline, so no other host is asked."""
    response = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="MedReID API",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon.png",
    )
    response.headers.update({**HARDENING, "content-security-policy": DOCS_POLICY})
    return response


def static_files(app: FastAPI) -> None:
    """Mount the files that the pages load."""
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-assets")
    app.mount("/assets", StaticFiles(packages=[("gateway.web", "static")]), name="assets")
