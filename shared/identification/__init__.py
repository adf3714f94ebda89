"""Identification: candidate patients of an image, with calibrated probabilities."""
