"""Testing the images and the systems made of them, on a real engine: `make test-containers`."""
