"""Exported networks and the runtimes that run them."""
