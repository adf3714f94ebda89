"""`make bench-gallery`: measure cost and recall of search and enrolment up to a million images."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.gallery import gallery_loading
from benchmarks.gallery.gallery_report import Size, save, show
from benchmarks.gallery.gallery_server import footprint, running
from benchmarks.gallery.million_identification import identify, show_tracks
from benchmarks.gallery.population import Population
from benchmarks.gallery.real_people import modality_with_most_people, read_people
from benchmarks.gallery.search_timing import measure
from shared.database.embedded import EmbeddedServer
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.modalities import load_registry

SIZES = (1_000, 10_000, 100_000, 1_000_000)
THROUGH_THE_PRODUCT = 250
"""Patients enrolled through the product at each size. The others are loaded in bulk."""
PICTURES = 2
"""Images of each patient."""
PROBES = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 after a message about wrong data."""
    options = _parser().parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=160)
    try:
        _grow(options, console)
        if options.data:
            show_tracks(identify(options.data, max(options.sizes), options.out), console)
    except ValueError as error:
        print(f"bench-gallery: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with manifest.csv (default: people of the sample set)")
    parser.add_argument("--modality", choices=load_registry().names, help="default: that with most people")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="templates, e.g. 1000 10000")
    parser.add_argument("--out", type=Path, default=Path(".bench/gallery"), help="folder of database and results")
    return parser


def _grow(options: argparse.Namespace, console: Console) -> None:
    out: Path = options.out
    modality = options.modality or modality_with_most_people(options.data)
    population = Population(read_people(options.data, modality, out)[:, :PICTURES])
    console.print(
        f"{len(population.real)} real people of {modality}, {population.pictures} pictures each;"
        f" made-up ones are turned away by {population.angle:.0f} degrees"
    )
    sizes: list[Size] = []
    shutil.rmtree(out / "database", ignore_errors=True)
    with running(out / "database" / "data") as server:
        for templates in sorted(options.sizes):
            sizes.append(asyncio.run(_measure(server, population, templates)))
            save(sizes, out)
    show(sizes, console)


async def _measure(server: EmbeddedServer, population: Population, templates: int) -> Size:
    """Grow the gallery to a size and measure it."""
    people = templates // population.pictures
    through_the_product = min(THROUGH_THE_PRODUCT, people // 2)
    space = gallery_loading.open_space(server.url)
    gallery_loading.load(server.url, space, population, people - through_the_product)
    built = gallery_loading.build_index(server.url, space, templates)
    gallery_loading.settle(server.url, space)
    begin = gallery_loading.enrolled(server.url, space)
    async with open_database(DatabaseSettings.model_validate({"database_url": server.url})) as database:
        spent, found = await gallery_loading.enrol(database, population, begin, people)
    gallery_loading.settle(server.url, space)
    return Size(
        templates=templates,
        patients=people,
        build_s=built,
        enrol_ms=1000 * float(np.median(spent)),
        templates_per_s=population.pictures * len(spent) / sum(spent),
        found_at_once=found / len(spent),
        search=await measure(server.url, population, people, PROBES),
        footprint=footprint(server.url, space),
    )


if __name__ == "__main__":
    sys.exit(main())
