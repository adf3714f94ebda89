"""Trials beside `training`: comparisons and controls that are run by hand."""
