"""Identification: from an image to candidate patients with calibrated probabilities."""
