"""Load and what it finds: the generator (Locust), its plans, statistics of its samples."""
