"""recordfs."""
