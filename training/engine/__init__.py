"""Training of networks and their scores on validation subjects."""
