"""Preview: what the model sees of an image."""
