"""Segmenting on a lab server or an endpoint."""
