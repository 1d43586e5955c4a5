"""Venues' rules, exact: one module a venue-version with its integers, its rounding, its source and ``RULEBOOK``."""
