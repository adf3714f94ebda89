"""Network architectures: backbones, layers and heads."""
