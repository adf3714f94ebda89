"""The page at `/` and the API's documentation at `/docs`; nothing of them comes from another host."""
