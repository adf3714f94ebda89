"""The gallery of a run: the same templates in the memory of the peers and in our database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.gallery.interface import Embedding, Template
from shared.gallery.postgres import PostgresGallery
from shared.images.recipes import build_recipe
from shared.images.views import Image, network_view
from shared.keypoints.verification import LocalVerifier
from shared.modalities import Modality
from shared.models.protocols import ModelSession


@dataclass(frozen=True)
class Templates:
    """One modality: float32 (n, 256) embeddings of n patients, and their packed keypoints."""

    digest: str
    embeddings: NDArray[np.float32]
    local: Sequence[bytes]

    def patient(self, index: int) -> str:
        """Return an invented identifier."""
        return f"{self.digest[-6:]}-{index:06d}"

    def nearest(self, probe: Embedding, limit: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return indices and cosines of the `limit` most similar patients, best first, by one exact matrix product."""
        cosines = self.embeddings @ probe
        kept = np.argpartition(-cosines, min(limit, len(cosines) - 1))[:limit]
        order = kept[np.argsort(-cosines[kept])]
        return order, cosines[order]


def make_templates(modality: Modality, session: ModelSession, images: Iterable[Image]) -> Templates:
    """Make one template for each decoded image, with keypoints."""
    recipe, verifier = build_recipe(modality.recipe), LocalVerifier.from_modality(modality)
    embeddings, local = [], []
    for image in images:
        view = recipe(image)
        embeddings.append(session.run(network_view(view[np.newaxis]))[0])
        local.append(verifier.extract_template(view))
    return Templates(session.digest, np.stack(embeddings), local)


def save(path: Path, gallery: Mapping[str, Templates]) -> None:
    """Save all templates to one npz file."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, templates in gallery.items():
        arrays[f"{name}.digest"] = np.array(templates.digest)
        arrays[f"{name}.embeddings"] = templates.embeddings
        arrays[f"{name}.lengths"] = np.array([len(data) for data in templates.local])
        arrays[f"{name}.local"] = np.frombuffer(b"".join(templates.local), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> dict[str, Templates]:
    """Load the templates of `save`."""
    with np.load(path, allow_pickle=False) as arrays:
        names = [key.removesuffix(".digest") for key in arrays.files if key.endswith(".digest")]
        return {name: _load_one(arrays, name) for name in names}


def _load_one(arrays: Mapping[str, NDArray[np.generic]], name: str) -> Templates:
    ends = np.cumsum(np.asarray(arrays[f"{name}.lengths"], np.intp)).tolist()
    data = arrays[f"{name}.local"].tobytes()
    local = [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return Templates(str(arrays[f"{name}.digest"]), np.asarray(arrays[f"{name}.embeddings"], np.float32), local)


async def enrol(database_url: Path, gallery: Mapping[str, Templates]) -> None:
    """Enrol into the database of a running system as the gateway would: one template for each patient.

    A checkpoint follows, since the first one takes some 2 MB of memory for good. By itself it comes after five minutes.
    """
    async with open_database(DatabaseSettings(database_url_file=database_url)) as database:
        store = PostgresGallery(database)
        for name, templates in gallery.items():
            for i, (embedding, local) in enumerate(zip(templates.embeddings, templates.local, strict=True)):
                await store.enrol(templates.patient(i), [Template(name, templates.digest, embedding, 1.0, local)])
        await database.fetch("CHECKPOINT")
