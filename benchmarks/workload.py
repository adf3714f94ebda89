"""Pictures and templates of a run, cached under `.bench/` until models or pictures change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from rich.progress import Progress

from benchmarks.image_sources import Source, in_turn, sources, subjects
from benchmarks.systems.peers.peer_pipeline import Pipeline, Refused, litert_networks
from benchmarks.systems.template_set import Templates, load, make_templates, save
from deploy.local.state_folder import REPOSITORY
from shared.images.decoding import decode_image
from shared.modalities import load_registry
from shared.models.manifest import read_manifest
from shared.models.protocols import ModelSession

ROOT = REPOSITORY / ".bench"
SENT = 20
"""Maximum number of pictures to send of each modality."""


@dataclass(frozen=True)
class Workload:
    """Pictures to send, alternating between the modalities, and the file of the templates."""

    pictures: Sequence[str]
    modalities: Sequence[str]
    """The modality of each picture."""
    gallery: Path

    def of(self, modality: str) -> list[str]:
        """Return the pictures of one modality."""
        return [path for path, name in zip(self.pictures, self.modalities, strict=True) if name == modality]


def prepare(data: Path | None, patients: int, progress: Progress) -> Workload:
    """Prepare the samples, or the bundle at `data`, with `patients` enrolled in each modality."""
    cv2.setNumThreads(1)
    registry = load_registry()
    found = {name: source for name, source in sources(data).items() if name in registry.names and source.sent}
    entries = [registry[name].model_dump_json() for name in found]
    known = [str(data), patients, _digests(["compa", *found]), entries]
    key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]
    gallery, listing = ROOT / f"gallery-{key}.npz", ROOT / f"pictures-{key}.json"
    if not (gallery.is_file() and listing.is_file()):
        networks = litert_networks()
        save(gallery, _enrolled(found, patients, networks, progress))
        sent = _sent(found, Pipeline(networks, load(gallery)))
        listing.write_text(json.dumps(sent), encoding="utf-8")
    pictures = json.loads(listing.read_text(encoding="utf-8"))
    return Workload([path for path, _ in pictures], [name for _, name in pictures], gallery)


def _digests(names: Sequence[str]) -> list[str]:
    return [read_manifest(REPOSITORY / f"{name}-service").digest for name in names]


def _enrolled(
    found: dict[str, Source], patients: int, networks: Mapping[str, ModelSession], progress: Progress
) -> dict[str, Templates]:
    registry, gallery = load_registry(), {}
    task = progress.add_task("making templates", total=patients * len(found))
    for name, source in found.items():
        images = progress.track(subjects(source, patients), task_id=task)
        gallery[name] = make_templates(registry[name], networks[name], images)
    progress.remove_task(task)
    return gallery


def _sent(found: dict[str, Source], pipeline: Pipeline) -> list[tuple[str, str]]:
    """Keep the pictures that COMPA classifies rightly: a refusal costs less than an answer."""
    accepted = {
        name: [path for path in source.sent if _label(pipeline, path) == name][:SENT] for name, source in found.items()
    }
    names = {str(path): name for name, paths in accepted.items() for path in paths}
    return [(str(path), names[str(path)]) for path in in_turn(list(accepted.values()))]


def _label(pipeline: Pipeline, path: Path) -> str | None:
    try:
        return pipeline.classify(decode_image(path.read_bytes()).pixels)
    except Refused:
        return None
