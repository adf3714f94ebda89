"""Tests of the images and of the systems made of them, on a real Docker engine: `make test-containers`."""
