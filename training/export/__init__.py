"""From a Keras network to the model folder that ships."""
