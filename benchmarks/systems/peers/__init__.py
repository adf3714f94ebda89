"""What a user would run instead: the same pictures, networks, recipes and gallery behind other servers."""
