"""Labelled image sets: one importer a layout, one plain layout of our own."""
