"""The formats of this package, which hold all that it knows of a face; others keep to those of their tools."""
