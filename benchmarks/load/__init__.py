"""The load generator (Locust), its plans and its samples."""
