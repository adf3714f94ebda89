"""Training runs: from pictures to fitted networks."""
