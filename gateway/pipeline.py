"""The way of an upload: decode, tell the modality, apply its recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.services import Compa
from shared.contracts.internal import Classification
from shared.contracts.public import ModalityVerdict, Subtype, Timings
from shared.errors import BlankImage, InvalidInput, UnsupportedModality
from shared.images.decoding import DecodedImage, decode_image
from shared.images.recipes import Recipe, build_recipe
from shared.images.views import Image, standard_view
from shared.modalities import Modality, Registry
from shared.service.npy import deadline_of_request
from shared.service.queue import InferenceQueue

SURE = 0.9
"""From this probability on COMPA contradicts a DICOM header."""

Result = TypeVar("Result")
Recipes = Mapping[str, Callable[[Image], Image]]
"""By modality, what makes an image the view that its service receives."""


@dataclass
class Stopwatch:
    """Milliseconds by part of the way."""

    begun: float = field(default_factory=time.perf_counter)
    spent: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        """Everything since the last lap was `part`."""
        now = time.perf_counter()
        self.spent[part] = self.spent.get(part, 0.0) + 1000 * (now - self._last)
        self._last = now

    def timings(self) -> Timings:
        """What has been measured, and the total until now."""
        parts = {part: round(self.spent.get(part, 0.0), 2) for part in ("decode", "classify", "preprocess", "identify")}
        return Timings(**parts, total=round(1000 * (time.perf_counter() - self.begun), 2))


@dataclass(frozen=True, slots=True)
class Prepared:
    """One upload, ready for its identification service: uint8 (h, w, 3) after the recipe."""

    modality: Modality
    verdict: ModalityVerdict
    view: NDArray[np.uint8]
    compa_digest: str | None


class Pipeline:
    """Decoding and recipes run in a few threads of their own: they hold a core, and a large image much memory."""

    def __init__(self, registry: Registry, compa: Compa, threads: InferenceQueue[None]) -> None:
        self._registry, self._compa, self._threads = registry, compa, threads
        recipes = {m.name: build_recipe(m.recipe) for m in registry}
        self._recipes: Recipes = recipes
        self._of_probes: Recipes = {m.name: _of_probes(m, recipes[m.name]) for m in registry}

    async def prepare(self, uploads: Sequence[bytes], modality: str | None, watch: Stopwatch) -> list[Prepared]:
        """Every upload prepared; raises what `decode_image` raises, InvalidInput, UnsupportedModality, BlankImage."""
        return await self._prepare(uploads, modality, watch, self._recipes)

    async def prepare_probe(self, uploads: Sequence[bytes], modality: str | None, watch: Stopwatch) -> list[Prepared]:
        """The same for several images of one probe, which must be of one modality; views are as large as is needed."""
        prepared = await self._prepare(uploads, modality, watch, self._of_probes)
        if len({image.modality.name for image in prepared}) > 1:
            raise InvalidInput("The images of one probe are of several modalities. Send one modality at a time.")
        return prepared

    async def _prepare(
        self, uploads: Sequence[bytes], modality: str | None, watch: Stopwatch, recipes: Recipes
    ) -> list[Prepared]:
        named = self._named(modality)
        read = partial(_decoded, with_view=named is None)
        opened = [await self._in_thread(partial(read, data)) for data in uploads]
        images, views = [image for image, _ in opened], [view for _, view in opened if view is not None]
        watch.lap("decode")
        verdicts, digest = await self._verdicts(images, views, named)
        watch.lap("classify")
        prepared = [
            Prepared(
                self._registry[verdict.label],
                verdict,
                await self._in_thread(partial(_view, recipes[verdict.label], image.pixels, (number, len(images)))),
                digest,
            )
            for number, (image, verdict) in enumerate(zip(images, verdicts, strict=True), 1)
        ]
        watch.lap("preprocess")
        return prepared

    def _named(self, modality: str | None) -> Modality | None:
        if modality is None:
            return None
        try:
            return self._registry[modality]
        except KeyError:
            raise InvalidInput(f"modality: must be one of {', '.join(self._registry.names)}.") from None

    async def _verdicts(
        self, images: Sequence[DecodedImage], views: Sequence[Image], named: Modality | None
    ) -> tuple[list[ModalityVerdict], str | None]:
        if named is not None:
            verdict = ModalityVerdict(
                label=named.name, confidence=1.0, source="caller", probabilities={}, conflict=False
            )
            return [verdict] * len(images), None
        answer = await self._compa.classify(views)
        return [self._verdict(image, answer, i) for i, image in enumerate(images)], answer.model

    def _verdict(self, image: DecodedImage, answer: Classification, index: int) -> ModalityVerdict:
        probabilities = dict(zip(answer.labels, answer.probabilities[index], strict=True))
        likeliest = max(probabilities, key=lambda label: probabilities[label])
        subtype = answer.subtypes[index] if answer.subtypes else None
        declared = self._registry.for_dicom(image.dicom_modality) if image.dicom_modality else None
        if declared is not None:
            return ModalityVerdict(
                label=declared.name,
                confidence=probabilities.get(declared.name, 0.0),
                source="dicom",
                probabilities=probabilities,
                conflict=likeliest != declared.name and probabilities[likeliest] >= SURE,
                subtype=subtype if likeliest == declared.name else None,
            )
        if not answer.accepted[index] or likeliest not in self._registry.names:
            raise UnsupportedModality(extra={"probabilities": probabilities})
        return ModalityVerdict(
            label=likeliest,
            confidence=probabilities[likeliest],
            source="compa",
            probabilities=probabilities,
            conflict=False,
            subtype=subtype,
        )

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return (await self._threads.run(lambda _: function(), deadline_of_request())).value


def _of_probes(modality: Modality, recipe: Recipe) -> Callable[[Image], Image]:
    """The recipe; where keypoints are not compared, down to what the network sees, since nobody looks at the rest."""
    if modality.local_verification:
        return recipe
    return lambda image: standard_view(recipe(image))


def _view(recipe: Callable[[Image], Image], image: Image, place: tuple[int, int]) -> Image:
    """BlankImage where nothing is left after the recipe; it says which of several images that is."""
    view = recipe(image)
    if view.min() == view.max():
        number, count = place
        raise BlankImage(f"Image {number} of {count}: {BlankImage.default_detail}" if count > 1 else None)
    return view


def _decoded(data: bytes, *, with_view: bool) -> tuple[DecodedImage, Image | None]:
    """The image, and what COMPA sees of it where it will be asked: one wait for a thread, not two."""
    image = decode_image(data)
    return image, standard_view(image.pixels) if with_view else None


def joint_verdict(prepared: Sequence[Prepared]) -> ModalityVerdict:
    """One verdict for a probe of several images: mean probabilities; in conflict where one image is."""
    verdicts = [image.verdict for image in prepared]
    if len(verdicts) == 1:
        return verdicts[0]
    labels = verdicts[0].probabilities
    return verdicts[0].model_copy(
        update={
            "confidence": float(np.mean([verdict.confidence for verdict in verdicts])),
            "probabilities": {x: float(np.mean([v.probabilities.get(x, 0.0) for v in verdicts])) for x in labels},
            "conflict": any(verdict.conflict for verdict in verdicts),
            "subtype": _joint_subtype([verdict.subtype for verdict in verdicts]),
        }
    )


def _joint_subtype(subtypes: Sequence[Subtype | None]) -> Subtype | None:
    """The one that all images have; a probe of several sequences has none."""
    known = [subtype for subtype in subtypes if subtype is not None]
    if len(known) < len(subtypes) or len({subtype.name for subtype in known}) != 1:
        return None
    return Subtype(name=known[0].name, confidence=float(np.mean([subtype.confidence for subtype in known])))
