"""The local engine: a plane through the network."""
