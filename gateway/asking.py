"""Asking the service of a probe's modality; where possible before COMPA has said which one that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from gateway.foresight import Foresight
from gateway.pipeline import Opened, Pipeline, Prepared, Verdicts
from gateway.services import Identifier
from gateway.stopwatch import Stopwatch
from shared.images.views import Image
from shared.service.metrics import Metrics

Answer = TypeVar("Answer")
Question = Callable[[Identifier, Sequence[Image]], Awaitable[Answer]]
"""What is asked of the service of the views' modality."""


class Asker:
    """Takes one probe at a time all the way: decode, COMPA, recipe, and the service of its modality.

    What COMPA says decides, but the service that it will probably name is asked while COMPA looks: always where DICOM
    headers say which one that is, and by `Foresight` where no other probe is in work, since a guess may be wrong and
    the work for nothing. An answer of a service that COMPA does not name is thrown away.
    """

    def __init__(self, pipeline: Pipeline, identifiers: Mapping[str, Identifier], metrics: Metrics) -> None:
        self._pipeline, self._identifiers, self._metrics = pipeline, identifiers, metrics
        self._foresight = Foresight(tuple(identifiers))
        self._in_work = 0

    async def ask(
        self, uploads: Sequence[bytes], modality: str | None, question: Question[Answer], watch: Stopwatch
    ) -> tuple[list[Prepared], Answer]:
        """The images as they were sent, and what the service answers; all uploads are one probe.

        Raises what `Pipeline.open`, `Pipeline.verdicts`, `Pipeline.probe_views` and the question raise, and
        InvalidInput where the images are of several modalities.
        """
        with self._counted():
            opened = await self._pipeline.open(uploads, modality)
            watch.lap("decode")
            expected = self._expected(opened)
            if expected is None:
                verdicts = await self._verdicts(opened, watch)
                views, answer = await self._asked(opened, verdicts.of_probe(), question, watch)
            else:
                verdicts, (views, answer) = await self._asked_ahead(opened, expected, question, watch)
            watch.lap("identify")
            return self._pipeline.prepared(verdicts, views), answer

    async def _asked_ahead(
        self, opened: Opened, expected: str, question: Question[Answer], watch: Stopwatch
    ) -> tuple[Verdicts, tuple[list[Image], Answer]]:
        ahead = asyncio.create_task(self._asked(opened, expected, question, Stopwatch()))
        try:
            verdicts = await self._verdicts(opened, watch)
            label = verdicts.of_probe()
            self._metrics.asked_ahead.labels("right" if label == expected else "wrong").inc()
            if label == expected:
                return verdicts, await ahead
        finally:
            await _given_up(ahead)
        return verdicts, await self._asked(opened, label, question, watch)

    async def _verdicts(self, opened: Opened, watch: Stopwatch) -> Verdicts:
        verdicts = await self._pipeline.verdicts(opened)
        watch.lap("classify")
        if self._in_work == 1:
            first = verdicts.of_images[0]  # one tells of a whole probe
            if first.source == "compa":
                self._foresight.learn(opened.views[0], first.label)
        return verdicts

    async def _asked(
        self, opened: Opened, label: str, question: Question[Answer], watch: Stopwatch
    ) -> tuple[list[Image], Answer]:
        views = await self._pipeline.probe_views(opened, label)
        watch.lap("preprocess")
        return views, await question(self._identifiers[label], views)

    def _expected(self, opened: Opened) -> str | None:
        """The modality that need not be waited for; None where the caller has named it, or nothing is expected."""
        if opened.named is not None:
            return None
        declared = self._pipeline.declared(opened)
        if declared is not None or self._in_work > 1:
            return declared
        return self._foresight.expect(opened.views[0])

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_work += 1
        try:
            yield
        finally:
            self._in_work -= 1


async def _given_up(task: asyncio.Task[Any]) -> None:
    """End it, unless it has ended; its error, if nobody waited for it, is nobody's."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
