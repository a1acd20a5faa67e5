"""The tab "Correct": tools, review, classes, time, checked areas."""
