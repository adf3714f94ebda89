"""Calibration: from similarities to probabilities that can be trusted."""
