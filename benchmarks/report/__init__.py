"""From results to tables, plots and the page of the notebook."""
