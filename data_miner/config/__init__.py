"""Configuration: read with places, merge in layers, validate with errors that name the line."""
