"""The way of an upload: decode, tell the modality, apply its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.services import Compa
from shared.contracts.internal import Classification
from shared.contracts.public import ModalityVerdict, Subtype
from shared.errors import BlankImage, InvalidInput, UnsupportedModality
from shared.images.decoding import decode_image
from shared.images.recipes import Recipe, build_recipe
from shared.images.views import Image, square_view, standard_view
from shared.modalities import Modality, Registry
from shared.service.context import deadline_of_request
from shared.service.inference_queue import InferenceQueue

SURE = 0.9
"""From this probability on COMPA contradicts a DICOM header."""

KEPT = 20_000_000
"""Pixels of one request that are kept as they were sent, 3 bytes each; of further images only what recipes need."""

Result = TypeVar("Result")
Recipes = Mapping[str, Callable[[Image], Image]]
"""By modality, what makes an image the view that its service receives."""


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An upload, decoded: uint8 (h, w, 3) as it was sent, or, where that is None, by size what recipes begin with."""

    dicom_modality: str | None
    pixels: Image | None
    squares: Mapping[int, Image]

    def before_recipe(self, size: int) -> Image:
        """Of which a recipe of that size makes what it makes of the image as it was sent."""
        return self.squares[size] if self.pixels is None else self.pixels


@dataclass(frozen=True, slots=True)
class Opened:
    """Uploads as images. `views` are what COMPA sees of them: none where the caller has `named` the modality."""

    images: Sequence[OpenedImage]
    views: Sequence[Image]
    named: Modality | None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One verdict an image, and the digest of the COMPA that was asked."""

    of_images: Sequence[ModalityVerdict]
    compa_digest: str | None

    def of_probe(self) -> str:
        """The modality of all images; InvalidInput where they are of several."""
        labels = {verdict.label for verdict in self.of_images}
        if len(labels) > 1:
            raise InvalidInput("The images are of several modalities. Send images of one modality in one request.")
        return labels.pop()


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

    async def prepare(self, uploads: Sequence[bytes], modality: str | None) -> list[Prepared]:
        """Every upload with its whole view; raises what `open` and `verdicts` raise, and BlankImage."""
        opened = await self.open(uploads, modality)
        verdicts = await self.verdicts(opened)
        views = await self._views(opened, [verdict.label for verdict in verdicts.of_images], self._recipes)
        return self.prepared(verdicts, views)

    async def open(self, uploads: Sequence[bytes], modality: str | None) -> Opened:
        """Every upload decoded; raises what `decode_image` raises, and InvalidInput for an unknown modality."""
        named = self._named(modality)
        sizes = {entry.recipe.size for entry in ([named] if named else self._registry)}
        images, views, room = [], [], KEPT
        for data in uploads:
            image, view = await self._in_thread(partial(_opened, data, sizes, room, with_view=named is None))
            images.append(image)
            if image.pixels is not None:
                room -= _count(image.pixels)
            if view is not None:
                views.append(view)
        return Opened(images, views, named)

    def declared(self, opened: Opened) -> str | None:
        """The modality that the headers of all images name, whatever COMPA will say; None where they do not."""
        names = {entry.name if (entry := self._declared(image)) else None for image in opened.images}
        return names.pop() if len(names) == 1 else None

    async def verdicts(self, opened: Opened) -> Verdicts:
        """Which modalities they are of; raises UnsupportedModality, and what `Compa.classify` raises."""
        if opened.named is not None:
            verdict = ModalityVerdict(
                label=opened.named.name, confidence=1.0, source="caller", probabilities={}, conflict=False
            )
            return Verdicts([verdict] * len(opened.images), None)
        answer = await self._compa.classify(opened.views)
        return Verdicts([self._verdict(image, answer, i) for i, image in enumerate(opened.images)], answer.model)

    async def probe_views(self, opened: Opened, label: str) -> list[Image]:
        """The images of one probe after the recipe of its modality, as large as is needed; raises BlankImage."""
        return await self._views(opened, [label] * len(opened.images), self._of_probes)

    def prepared(self, verdicts: Verdicts, views: Sequence[Image]) -> list[Prepared]:
        """What is known of every image, together."""
        return [
            Prepared(self._registry[verdict.label], verdict, view, verdicts.compa_digest)
            for verdict, view in zip(verdicts.of_images, views, strict=True)
        ]

    async def _views(self, opened: Opened, labels: Sequence[str], recipes: Recipes) -> list[Image]:
        count = len(opened.images)
        return [
            await self._in_thread(
                partial(_view, recipes[label], image.before_recipe(self._registry[label].recipe.size), (number, count))
            )
            for number, (image, label) in enumerate(zip(opened.images, labels, strict=True), 1)
        ]

    def _named(self, modality: str | None) -> Modality | None:
        if modality is None:
            return None
        try:
            return self._registry[modality]
        except KeyError:
            raise InvalidInput(f"modality: must be one of {', '.join(self._registry.names)}.") from None

    def _declared(self, image: OpenedImage) -> Modality | None:
        return self._registry.for_dicom(image.dicom_modality) if image.dicom_modality else None

    def _verdict(self, image: OpenedImage, answer: Classification, index: int) -> ModalityVerdict:
        probabilities = dict(zip(answer.labels, answer.probabilities[index], strict=True))
        likeliest = max(probabilities, key=lambda label: probabilities[label])
        subtype = answer.subtypes[index] if answer.subtypes else None
        declared = self._declared(image)
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
        return await self._threads.run(lambda _: function(), deadline_of_request())


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


def _opened(data: bytes, sizes: Set[int], room: int, *, with_view: bool) -> tuple[OpenedImage, Image | None]:
    """The image, and what COMPA sees of it where it will be asked: one wait for a thread, not two.

    It is kept whole where it has no more pixels than there is `room` for.
    """
    decoded = decode_image(data)
    view = standard_view(decoded.pixels) if with_view else None
    if _count(decoded.pixels) <= room:
        return OpenedImage(decoded.dicom_modality, decoded.pixels, {}), view
    squares = {size: square_view(decoded.pixels, size) for size in sizes}
    return OpenedImage(decoded.dicom_modality, None, squares), view


def _count(pixels: Image) -> int:
    return pixels.size // 3


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
