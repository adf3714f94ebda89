"""Bundles, splits by subject, images, batches and augmentation."""
