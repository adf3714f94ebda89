"""Which claims of prior work hold on these data? See `experiments.comparison.__main__`."""
