"""Thin Qt and napari views; the only floor that sees a viewer."""
