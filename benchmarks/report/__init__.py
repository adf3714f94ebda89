"""Tables, plots and the notebook's page, from results."""
