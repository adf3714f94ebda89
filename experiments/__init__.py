"""Experiments that are run by hand. Each module states its question, its command and the place of the answer."""
