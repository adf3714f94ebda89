"""What the claims of prior work are worth on these data, measured on validation subjects under one small budget."""
