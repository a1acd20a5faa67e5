"""Many images, one after another or at the same time, without a window.

What ``cellseg segment`` and *Segment all* of the dock run; also what they write, and the
measuring of labels that are there. Nothing here reads a command line.
"""
