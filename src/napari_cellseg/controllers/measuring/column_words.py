"""What the columns of the table mean, for the person who reads it."""

from __future__ import annotations

from napari_cellseg.core.measuring.volumes import INTENSITY

MEANINGS = {
    "label": "Number of the cell in the labels.",
    "frame": "Time point on which the cell was measured, counted from 0.",
    "track_id": "Number of the cell, the same on all frames.",
    "parent_id": "Number of the cell that it came of by division; empty if not known.",
    "z_plane": "Plane (Z) on which the cell was measured, counted from 0.",
    "plane": "Plane of the stack on which the cell was measured, counted from 0.",
    "source": "Who made the cell: model, edited (the model's, changed by hand) or hand.",
    "confidence": "How sure the model is of the cell, 0 to 1; empty if drawn by hand.",
    "class": "What kind of cell a person said it is; empty if nobody did.",
    "area_px": "Area in pixels.",
    "area_um2": "Area in square micrometres.",
    "perimeter_px": "Length of the outline in pixels.",
    "perimeter_um": "Length of the outline in micrometres.",
    "equivalent_diameter_px": "Diameter of a circle of the same area, in pixels.",
    "equivalent_diameter_um": "Diameter of a circle of the same area, in micrometres.",
    "centroid_y_px": "Centre of the cell from the upper edge, in pixels.",
    "centroid_x_px": "Centre of the cell from the left edge, in pixels.",
    "centroid_y_um": "Centre of the cell from the upper edge, in micrometres.",
    "centroid_x_um": "Centre of the cell from the left edge, in micrometres.",
    "eccentricity": "0 for a circle, towards 1 the longer the cell; no unit.",
    "solidity": "Area over that of the convex hull; 1 has no dents; no unit.",
    "orientation_deg": (
        "Direction of the long axis in degrees, -90 to 90: 0 is upright, 90 lies flat."
    ),
    "touches_border": "Whether the cell is cut by the edge of the image.",
    "n_planes": "On how many planes of the stack the cell lies.",
    "volume_px": "Volume of the whole cell in voxels, over all its planes.",
    "volume_um3": "Volume of the whole cell in cubic micrometres, over all its planes.",
    "bbox_min_y_px": "First row of the cell, in pixels.",
    "bbox_min_x_px": "First column of the cell, in pixels.",
    "bbox_max_y_px": "Row after the last one of the cell, in pixels.",
    "bbox_max_x_px": "Column after the last one of the cell, in pixels.",
}
INTENSITIES = {
    "mean": "Mean",
    "min": "Lowest",
    "max": "Highest",
    "sd": "Standard deviation of the",
    "sum": "Sum of the",
}


def column_meaning(name: str) -> str:
    """Return a sentence with meaning and unit of a column, "" for one not known here."""
    found = INTENSITY.fullmatch(name)
    if found is None:
        return MEANINGS.get(name, "")
    kind, channel = found.groups()
    return f"{INTENSITIES[kind]} intensity in '{channel}', in the image's own values."
