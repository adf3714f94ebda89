"""The systems that are measured: MedReID, the floor and the peers."""
