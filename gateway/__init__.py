"""The only public service: accepts uploads, routes them, decides, answers."""
