"""The labels of images and their history: every step is on disk before it is seen."""
