"""From uploads to the views that the services receive: decode, classify the modality, apply its recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.services import Compa
from shared.contracts.internal import Classification
from shared.contracts.public import ModalityVerdict, Subtype
from shared.errors import BlankImage, InvalidInput, MedReIDError, UnsupportedModality
from shared.images.decoding import decode_image
from shared.images.recipes import Recipe, build_recipe
from shared.images.views import Image, square_view, standard_view
from shared.modalities import Modality, Registry
from shared.service.context import deadline_of_request
from shared.service.inference_queue import InferenceQueue

CONFLICT_PROBABILITY = 0.9
"""Probability from which COMPA's label is reported as a conflict with the DICOM header."""

MAX_KEPT_PIXELS = 20_000_000
"""Original pixels (3 bytes each) that one request keeps. Of further images only pre-shrunk copies are kept."""

Result = TypeVar("Result")
Recipes = Mapping[str, Callable[[Image], Image]]
"""By modality: from a decoded image to the view that the service receives."""


@dataclass(frozen=True, slots=True)
class DecodedUpload:
    """One decoded image: uint8 (h, w, 3), RGB. `pixels` is None if only `copies`, by recipe size, were kept."""

    dicom_code: str | None
    pixels: Image | None
    copies: Mapping[int, Image]

    def recipe_input(self, size: int) -> Image:
        """Return the input for a recipe of `size`: the original, or its pre-shrunk copy."""
        return self.copies[size] if self.pixels is None else self.pixels


@dataclass(frozen=True, slots=True)
class DecodedUploads:
    """All images of a request. `views` are COMPA's inputs; there are none if the caller `named` the modality."""

    images: Sequence[DecodedUpload]
    views: Sequence[Image]
    named: Modality | None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdict of each image, and the digest of the COMPA that classified them."""

    of_images: Sequence[ModalityVerdict]
    compa_digest: str | None

    def probe_label(self) -> str:
        """Return the modality of all images; raises InvalidInput if there are several."""
        labels = {verdict.label for verdict in self.of_images}
        if len(labels) > 1:
            raise InvalidInput("The images are of several modalities. Send images of one modality in one request.")
        return labels.pop()


@dataclass(frozen=True, slots=True)
class Prepared:
    """One upload, ready for its identification service. `view` is uint8 (h, w, 3) after the recipe."""

    modality: Modality
    verdict: ModalityVerdict
    view: NDArray[np.uint8]
    compa_digest: str | None


class Pipeline:
    """Decoding and recipes. They run in a few threads of their own, because they take a core and much memory."""

    def __init__(self, registry: Registry, compa: Compa, threads: InferenceQueue[None]) -> None:
        self._registry, self._compa, self._threads = registry, compa, threads
        recipes = {m.name: build_recipe(m.recipe) for m in registry}
        self._recipes: Recipes = recipes
        self._probe_recipes: Recipes = {m.name: _probe_recipe(m, recipes[m.name]) for m in registry}

    async def prepare(self, uploads: Sequence[bytes], modality: str | None) -> list[Prepared]:
        """Return every upload with its whole view.

        Raises:
            BlankImage: Nothing is left of an image after its recipe.
            MedReIDError: Anything that `decode` and `classify` raise.
        """
        decoded = await self.decode(uploads, modality)
        verdicts = await self.classify(decoded)
        views = await self._views(decoded, [verdict.label for verdict in verdicts.of_images], self._recipes)
        return self.prepared(verdicts, views)

    async def decode(self, uploads: Sequence[bytes], modality: str | None) -> DecodedUploads:
        """Decode every upload; raises what `decode_image` raises, and InvalidInput for an unknown modality."""
        named = self._named(modality)
        sizes = {entry.recipe.size for entry in ([named] if named else self._registry)}
        images, views, room = [], [], MAX_KEPT_PIXELS
        for number, data in enumerate(uploads, 1):
            with _numbered(number, len(uploads)):
                image, view = await self._in_thread(partial(_decoded, data, sizes, room, with_view=named is None))
            images.append(image)
            if image.pixels is not None:
                room -= _pixel_count(image.pixels)
            if view is not None:
                views.append(view)
        return DecodedUploads(images, views, named)

    def declared_modality(self, decoded: DecodedUploads) -> str | None:
        """Return the modality that the DICOM headers of all images declare; None if they, or the caller, do not."""
        names = {entry.name if (entry := self._declared(image)) else None for image in decoded.images}
        return names.pop() if decoded.named is None and len(names) == 1 else None

    async def classify(self, decoded: DecodedUploads) -> Verdicts:
        """Return the modality of each image; raises UnsupportedModality, and what `Compa.classify` raises."""
        if decoded.named is not None:
            verdict = ModalityVerdict(
                label=decoded.named.name, confidence=1.0, source="caller", probabilities={}, conflict=False
            )
            return Verdicts([verdict] * len(decoded.images), None)
        answer = await self._compa.classify(decoded.views)
        verdicts = []
        for index, image in enumerate(decoded.images):
            with _numbered(index + 1, len(decoded.images)):
                verdicts.append(self._verdict(image, answer, index))
        return Verdicts(verdicts, answer.model)

    async def probe_views(self, decoded: DecodedUploads, label: str) -> list[Image]:
        """Return the views of one probe, no larger than its service needs; raises BlankImage."""
        return await self._views(decoded, [label] * len(decoded.images), self._probe_recipes)

    def prepared(self, verdicts: Verdicts, views: Sequence[Image]) -> list[Prepared]:
        """Join the verdict and the view of each image."""
        return [
            Prepared(self._registry[verdict.label], verdict, view, verdicts.compa_digest)
            for verdict, view in zip(verdicts.of_images, views, strict=True)
        ]

    async def _views(self, decoded: DecodedUploads, labels: Sequence[str], recipes: Recipes) -> list[Image]:
        views = []
        for number, (image, label) in enumerate(zip(decoded.images, labels, strict=True), 1):
            source = image.recipe_input(self._registry[label].recipe.size)
            with _numbered(number, len(labels)):
                views.append(await self._in_thread(partial(_view, recipes[label], source)))
        return views

    def _named(self, modality: str | None) -> Modality | None:
        if modality is None:
            return None
        try:
            return self._registry[modality]
        except KeyError:
            raise InvalidInput(f"modality: must be one of {', '.join(self._registry.names)}.") from None

    def _declared(self, image: DecodedUpload) -> Modality | None:
        return self._registry.for_dicom(image.dicom_code) if image.dicom_code else None

    def _verdict(self, image: DecodedUpload, answer: Classification, index: int) -> ModalityVerdict:
        """The DICOM header decides if it names a modality, otherwise COMPA."""
        probabilities = dict(zip(answer.labels, answer.probabilities[index], strict=True))
        likeliest = max(probabilities, key=lambda label: probabilities[label])
        subtype = answer.subtypes[index] if answer.subtypes else None
        declared = self._declared(image)
        if declared is None and (not answer.accepted[index] or likeliest not in self._registry.names):
            raise UnsupportedModality(extra={"probabilities": probabilities})
        label = declared.name if declared else likeliest
        return ModalityVerdict(
            label=label,
            confidence=probabilities.get(label, 0.0),
            source="dicom" if declared else "compa",
            probabilities=probabilities,
            conflict=likeliest != label and probabilities[likeliest] >= CONFLICT_PROBABILITY,
            subtype=subtype if likeliest == label else None,
        )

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await self._threads.run(lambda _: function(), deadline_of_request())


def _probe_recipe(modality: Modality, recipe: Recipe) -> Callable[[Image], Image]:
    """Return the recipe, followed by shrinking to the network's input if no keypoints will be compared."""
    if modality.local_verification:
        return recipe
    return lambda image: standard_view(recipe(image))


@contextmanager
def _numbered(number: int, count: int) -> Iterator[None]:
    """Say in an error about the caller's images which of `count` is meant."""
    try:
        yield
    except MedReIDError as error:
        if count > 1 and error.status < 500:
            error.detail = f"Image {number} of {count}: {error.detail}"
        raise


def _view(recipe: Callable[[Image], Image], image: Image) -> Image:
    """Apply a recipe; raises BlankImage if nothing is left."""
    view = recipe(image)
    if view.min() == view.max():
        raise BlankImage
    return view


def _decoded(data: bytes, sizes: Set[int], room: int, *, with_view: bool) -> tuple[DecodedUpload, Image | None]:
    """Decode an upload and make COMPA's view of it, in one job of a thread. `room`: pixels that may be kept."""
    decoded = decode_image(data)
    view = standard_view(decoded.pixels) if with_view else None
    if _pixel_count(decoded.pixels) <= room:
        return DecodedUpload(decoded.dicom_modality, decoded.pixels, {}), view
    copies = {size: square_view(decoded.pixels, size) for size in sizes}
    return DecodedUpload(decoded.dicom_modality, None, copies), view


def _pixel_count(pixels: Image) -> int:
    return pixels.size // 3


def joint_verdict(prepared: Sequence[Prepared]) -> ModalityVerdict:
    """Return one verdict for a probe of several images: mean probabilities; a conflict if one image is in conflict."""
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
    """Return the subtype that all images have; None if they differ."""
    known = [subtype for subtype in subtypes if subtype is not None]
    if len(known) < len(subtypes) or len({subtype.name for subtype in known}) != 1:
        return None
    return Subtype(name=known[0].name, confidence=float(np.mean([subtype.confidence for subtype in known])))
