"""Folders of models and of trainings."""
