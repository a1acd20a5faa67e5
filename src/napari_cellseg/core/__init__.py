"""Arrays and values: no files, no torch, no GUI.

May import numpy, scipy, scikit-image, numba, pandas, edt and cc3d only.
"""
