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
"""Probability from which COMPA's label is a conflict with the modality that the caller or the DICOM header states."""
CONTRADICTED = (
    "The image looks like another modality than the DICOM header, or the field `modality`, says. Check both, and send"
    " the image under its own modality."
)

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
    """All images of a request. `views` are COMPA's inputs; `named` is the modality that the caller stated."""

    images: Sequence[DecodedUpload]
    views: Sequence[Image]
    named: Modality | None

    def only(self, indexes: Sequence[int]) -> DecodedUploads:
        """Return the images at these places."""
        return DecodedUploads([self.images[i] for i in indexes], [self.views[i] for i in indexes], self.named)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdict of each image, None if COMPA refuses it, and the digest of the COMPA that classified them."""

    of_images: Sequence[ModalityVerdict | None]
    compa_digest: str

    def accepted(self) -> list[tuple[int, ModalityVerdict]]:
        """Return the place, from 0, and the verdict of each image that COMPA accepts."""
        return [(index, verdict) for index, verdict in enumerate(self.of_images) if verdict is not None]

    def probe_label(self) -> str:
        """Return the modality of all accepted images; raises InvalidInput if there are several."""
        labels = {verdict.label for _, verdict in self.accepted()}
        if len(labels) > 1:
            raise InvalidInput("The images are of several modalities. Send images of one modality in one request.")
        return labels.pop()


@dataclass(frozen=True, slots=True)
class Prepared:
    """One upload, ready for its identification service.

    `index` is its place among the uploads, from 0. `view` is uint8 (h, w, 3) after the recipe.
    """

    index: int
    modality: Modality
    verdict: ModalityVerdict
    view: NDArray[np.uint8]
    compa_digest: str


class Pipeline:
    """Decoding and recipes. They run in a few threads of their own, because they take a core and much memory."""

    def __init__(self, registry: Registry, compa: Compa, threads: InferenceQueue[None]) -> None:
        self._registry, self._compa, self._threads = registry, compa, threads
        recipes = {m.name: build_recipe(m.recipe) for m in registry}
        self._recipes: Recipes = recipes
        self._probe_recipes: Recipes = {m.name: _probe_recipe(m, recipes[m.name]) for m in registry}

    async def prepare(
        self, uploads: Sequence[bytes], modality: str | None, *, accept_any: bool = False
    ) -> list[Prepared]:
        """Return every upload with its whole view.

        Raises:
            UnsupportedModality: COMPA refuses an image, or sees another modality than the header or the caller says.
            BlankImage: Nothing is left of an image after its recipe.
            MedReIDError: Anything that `decode` and `classify` raise.
        """
        decoded = await self.decode(uploads, modality)
        verdicts = await self.classify(decoded, accept_any=accept_any)
        for index, verdict in enumerate(verdicts.of_images):
            with _numbered(index + 1, len(uploads)):
                if verdict is None:
                    raise UnsupportedModality
                if verdict.conflict and not accept_any:
                    raise UnsupportedModality(CONTRADICTED, extra={"probabilities": verdict.probabilities})
        views = await self._views(decoded, [verdict.label for _, verdict in verdicts.accepted()], self._recipes)
        return self.prepared(verdicts, views)

    async def decode(self, uploads: Sequence[bytes], modality: str | None) -> DecodedUploads:
        """Decode every upload; raises what `decode_image` raises, and InvalidInput for an unknown modality."""
        named = self._named(modality)
        sizes = {entry.recipe.size for entry in ([named] if named else self._registry)}
        images, views, room = [], [], MAX_KEPT_PIXELS
        for number, data in enumerate(uploads, 1):
            with _numbered(number, len(uploads)):
                image, view = await self._in_thread(partial(_decoded, data, sizes, room))
            images.append(image)
            if image.pixels is not None:
                room -= _pixel_count(image.pixels)
            views.append(view)
        return DecodedUploads(images, views, named)

    def stated_modality(self, decoded: DecodedUploads) -> str | None:
        """Return the modality of a single image, if the caller or its DICOM header states one; else None."""
        if len(decoded.images) > 1:
            return None
        entry = decoded.named or self._declared(decoded.images[0])
        return entry.name if entry else None

    async def classify(self, decoded: DecodedUploads, *, accept_any: bool = False) -> Verdicts:
        """Return the modality of each image. With `accept_any`, COMPA refuses no image whose modality is stated.

        Raises:
            UnsupportedModality: COMPA refuses all images.
            MedReIDError: Anything that `Compa.classify` raises.
        """
        answer = await self._compa.classify(decoded.views)
        places = range(len(decoded.images))
        verdicts = Verdicts([self._verdict(decoded, answer, i, accept_any=accept_any) for i in places], answer.model)
        if not verdicts.accepted():
            with _numbered(1, len(places)):
                raise UnsupportedModality(extra={"probabilities": _probabilities(answer, 0)})
        return verdicts

    async def probe_views(self, decoded: DecodedUploads, label: str) -> list[Image]:
        """Return the views of one probe, no larger than its service needs; raises BlankImage."""
        return await self._views(decoded, [label] * len(decoded.images), self._probe_recipes)

    def prepared(self, verdicts: Verdicts, views: Sequence[Image]) -> list[Prepared]:
        """Join the verdict and the view of each accepted image."""
        return [
            Prepared(index, self._registry[verdict.label], verdict, view, verdicts.compa_digest)
            for (index, verdict), view in zip(verdicts.accepted(), views, strict=True)
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

    def _verdict(
        self, decoded: DecodedUploads, answer: Classification, index: int, *, accept_any: bool
    ) -> ModalityVerdict | None:
        """Return the verdict of one image, None if it is refused.

        COMPA alone says whether an image is of any modality. The caller, or else the DICOM header, says of which one.
        """
        probabilities = _probabilities(answer, index)
        likeliest = max(probabilities, key=lambda label: probabilities[label])
        subtype = answer.subtypes[index] if answer.subtypes else None
        stated = decoded.named or self._declared(decoded.images[index])
        refused = not answer.accepted[index] or likeliest not in self._registry.names
        if refused and not (accept_any and stated):
            return None
        label = stated.name if stated else likeliest
        return ModalityVerdict(
            label=label,
            confidence=probabilities.get(label, 0.0),
            source="caller" if decoded.named else "dicom" if stated else "compa",
            probabilities=probabilities,
            conflict=not refused and likeliest != label and probabilities[likeliest] >= CONFLICT_PROBABILITY,
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


def _probabilities(answer: Classification, index: int) -> dict[str, float]:
    return dict(zip(answer.labels, answer.probabilities[index], strict=True))


def _decoded(data: bytes, sizes: Set[int], room: int) -> tuple[DecodedUpload, Image]:
    """Decode an upload and make COMPA's view of it, in one job of a thread. `room`: pixels that may be kept."""
    decoded = decode_image(data)
    view = standard_view(decoded.pixels)
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
