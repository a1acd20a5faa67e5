"""State and actions of one window, announced by psygnal signals. No Qt, no napari."""
