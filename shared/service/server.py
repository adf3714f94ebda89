"""Running a service: uvicorn with a drain that finishes what is in flight."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from shared.service.app_factory import ServiceFrame
from shared.service.logs import configure_logs


class DrainingServer(uvicorn.Server):
    """At SIGTERM or SIGINT readiness turns false and new work is refused before the listener closes."""

    def __init__(self, config: uvicorn.Config, frame: ServiceFrame) -> None:
        super().__init__(config)
        self._frame = frame

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain; a second signal ends it."""
        self._frame.draining = True
        super().handle_exit(signal.SIGINT if self.should_exit else sig, frame)


def serve(app: FastAPI) -> None:
    """Serve until a signal; blocks. Then finish the requests in flight, for `drain_seconds` at the most."""
    frame: ServiceFrame = app.state.frame
    settings = frame.settings
    configure_logs(app.title, settings.log_level)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",  # nobody here speaks it, and uvicorn would log the paths of who tries
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nobody here asks for the address or the scheme of a caller
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=30,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again when all is done
        DrainingServer(config, frame).run()
