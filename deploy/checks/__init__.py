"""What no ready-made linter looks for: patient identifiers on their way into logs, and documents that lost the tree."""
