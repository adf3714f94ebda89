"""The gallery at scale: `python -m benchmarks.gallery`."""
