"""Pictures that may be shipped: a few real ones under clear licences, and phantoms. README.md says which is which."""

from samples.sample_files import Kind, Role, Sample, sample_set

__all__ = ["Kind", "Role", "Sample", "sample_set"]
