"""Segmentation and training in processes of their own."""
