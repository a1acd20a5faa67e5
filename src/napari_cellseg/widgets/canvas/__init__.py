"""napari's canvas and its keys: gestures, image layers, small screens."""
