"""`python -m samples`: make every file of the set anew, and the manifest.

If a package is not installed, the committed file of its picture stays as it is.
"""

from __future__ import annotations

import csv
import sys

from samples.catalogue import Entry, catalogue
from samples.sample_files import COLUMNS, MANIFEST, ROOT
from samples.sources import SourceMissingError


def main() -> int:
    """Write images and manifest. Return 1 if a file can neither be made nor found."""
    entries = catalogue()
    made = [_write(entry) for entry in entries]
    with MANIFEST.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(entry, column) for column in COLUMNS] for entry in entries)
    return 0 if all(made) else 1


def _write(entry: Entry) -> bool:
    path = ROOT / entry.path
    try:
        data = entry.make()
    except SourceMissingError as error:
        sys.stderr.write(f"{entry.path}: {error} is not installed; the committed file stands\n")
        return path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


if __name__ == "__main__":
    sys.exit(main())
