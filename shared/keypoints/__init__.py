"""The local part of a template: keypoints that are compared with the nearest candidates under a geometric model."""
