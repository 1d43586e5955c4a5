"""Venues' presets as rules of the margin engine: one module a venue, its figures read from the venue's rulebook."""
