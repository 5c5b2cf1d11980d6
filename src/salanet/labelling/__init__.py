"""A file in, the same file labelled out: in memory, or piece by piece through a work folder."""
