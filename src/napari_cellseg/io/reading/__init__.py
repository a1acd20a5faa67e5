"""From a file or an object to a `CellImage`."""
