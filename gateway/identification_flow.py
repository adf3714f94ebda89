"""Process one probe: decode it, classify its modality, preprocess it, and call the service of the modality."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.pipeline import DecodedUploads, Pipeline, Prepared
from gateway.services import Identifier
from shared.contracts.public import Timings
from shared.images.views import Image

Answer = TypeVar("Answer")
ServiceCall = Callable[[Identifier, Sequence[Image]], Awaitable[Answer]]
"""Ask the service of a modality about the views of a probe."""


@dataclass
class StageTimer:
    """Milliseconds of each stage of a request."""

    begun: float = field(default_factory=time.perf_counter)
    spent: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def record(self, stage: str) -> None:
        """Count the time since the last record for a stage."""
        now = time.perf_counter()
        self.spent[stage] = self.spent.get(stage, 0.0) + 1000 * (now - self._last)
        self._last = now

    def timings(self) -> Timings:
        """Return the time of each stage and the total until now."""
        stages = {name: round(self.spent.get(name, 0.0), 2) for name in Timings.model_fields if name != "total"}
        return Timings(**stages, total=round(1000 * (time.perf_counter() - self.begun), 2))


class IdentificationFlow:
    """Takes one probe through all stages.

    If the caller or the DICOM header states the modality of a single image, its service is asked while COMPA still
    looks at the image. COMPA cannot change that modality, but it can refuse the image: then no answer is given.
    """

    def __init__(self, pipeline: Pipeline, identifiers: Mapping[str, Identifier]) -> None:
        self._pipeline, self._identifiers = pipeline, identifiers

    async def run(
        self,
        uploads: Sequence[bytes],
        modality: str | None,
        call: ServiceCall[Answer],
        timer: StageTimer,
        *,
        accept_any: bool = False,
    ) -> tuple[list[Prepared], Answer]:
        """Return the prepared images and the answer of the service; all uploads are one probe.

        Images of several that COMPA refuses are left out.

        Raises:
            UnsupportedModality: COMPA refuses all images.
            InvalidInput: The images are of several modalities, or `modality` is not known.
            MedReIDError: Anything that the stages of `Pipeline`, or `call`, raise.
        """
        decoded = await self._pipeline.decode(uploads, modality)
        timer.record("decode")
        stated = self._pipeline.stated_modality(decoded)
        if stated is None:
            verdicts = await self._pipeline.classify(decoded, accept_any=accept_any)
            timer.record("classify")
            kept = decoded.only([index for index, _ in verdicts.accepted()])
            views, answer = await self._ask(kept, verdicts.probe_label(), call, timer)
        else:
            asking = asyncio.create_task(self._ask(decoded, stated, call, StageTimer()))
            try:
                verdicts = await self._pipeline.classify(decoded, accept_any=accept_any)
                timer.record("classify")
                views, answer = await asking
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        timer.record("identify")
        return self._pipeline.prepared(verdicts, views), answer

    async def _ask(
        self, decoded: DecodedUploads, label: str, call: ServiceCall[Answer], timer: StageTimer
    ) -> tuple[list[Image], Answer]:
        views = await self._pipeline.probe_views(decoded, label)
        timer.record("preprocess")
        return views, await call(self._identifiers[label], views)
