"""What of ours runs at AWS."""
