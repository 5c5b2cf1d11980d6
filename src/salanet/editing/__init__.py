"""Correcting the classes of a file by hand: selections, a journal of edits, a page."""
