"""The project in the dock: its line, its images, its questions, watched folders."""
