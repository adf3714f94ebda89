"""The library that every service and the training use, one package per capability."""
