"""Checks that no linter has: identifiers in logs, and documents that disagree with the tree."""
