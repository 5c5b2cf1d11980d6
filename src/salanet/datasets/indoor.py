"""The thirteen indoor classes of S3DIS, in its order, and a colour for each.

The hues are those that papers use; softer, since most of a room is wall, floor and ceiling.
"""

PALETTE = {
    "ceiling": (158, 200, 132), "floor": (92, 134, 198), "wall": (158, 205, 208),
    "beam": (232, 204, 92), "column": (204, 112, 186), "window": (112, 112, 226),
    "door": (200, 170, 92), "table": (152, 104, 196), "chair": (220, 78, 70),
    "sofa": (226, 142, 110), "bookcase": (52, 150, 88), "board": (176, 180, 186),
    "clutter": (96, 96, 104),
}  # fmt: skip
