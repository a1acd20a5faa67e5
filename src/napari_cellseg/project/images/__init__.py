"""The images of a project: recognised, found again when they have moved."""
