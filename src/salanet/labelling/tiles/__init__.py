"""Many files: neighbours at the edges, a journal, a cluster."""
