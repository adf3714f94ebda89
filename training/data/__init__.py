"""Manifests, splits by subject, and batches of identities."""
