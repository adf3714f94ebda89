"""Experiments that are run by hand. Each module states its question, its command and where the answer is."""
