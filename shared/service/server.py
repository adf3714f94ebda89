"""Run a service: uvicorn, with a drain that finishes the requests in flight."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from shared.service.app_factory import ServiceFrame
from shared.service.logs import configure_logs


class DrainingServer(uvicorn.Server):
    """At SIGTERM or SIGINT the service stops being ready and refuses new work before the listener closes."""

    def __init__(self, config: uvicorn.Config, frame: ServiceFrame) -> None:
        super().__init__(config)
        self._frame = frame

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain. A second signal ends it."""
        self._frame.draining = True
        super().handle_exit(signal.SIGINT if self.should_exit else sig, frame)


def serve(app: FastAPI) -> None:
    """Serve until a signal arrives, then finish the requests in flight, for at most `drain_seconds`."""
    frame: ServiceFrame = app.state.frame
    settings = frame.settings
    configure_logs(app.title, settings.log_level)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",  # not used, and uvicorn would log the paths of attempts
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the caller's address and scheme are not used
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=30,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again at the end
        DrainingServer(config, frame).run()
