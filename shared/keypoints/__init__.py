"""The local part of a template: keypoints, matched with the nearest candidates under a geometric model."""
