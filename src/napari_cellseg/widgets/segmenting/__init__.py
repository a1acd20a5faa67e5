"""The tab "Segment": model, place, region, and what a new run changed."""
