"""The gateway, the only public service: reads uploads, routes them, decides, answers."""
