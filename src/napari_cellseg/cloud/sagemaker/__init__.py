"""Endpoints and jobs: made, listed, watched, taken down."""
