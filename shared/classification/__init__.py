"""COMPA, the classifier of modalities, as a service."""
