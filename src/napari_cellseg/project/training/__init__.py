"""What can be learned from a project."""
