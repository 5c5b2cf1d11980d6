"""LAS, LAZ and COPC: clouds, bytes, streams, octrees, codes."""
