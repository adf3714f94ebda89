"""Benchmarks of speed and scale, beside the systems that a user would run instead."""
