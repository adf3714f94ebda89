"""Ways to run the system: on one machine without containers, in containers; and the checks of the tree."""
