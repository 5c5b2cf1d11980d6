"""How a file becomes what a model expects: units, axes, density, domain, missing attributes."""
