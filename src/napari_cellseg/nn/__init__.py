"""The network: training it, running it. May import torch, `io` and `core`."""
