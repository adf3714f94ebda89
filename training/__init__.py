"""Training, calibration, export and evaluation of the models that the services load."""
