"""Holding the line: a deterministic venue that applies a limit book to accounts as prices, trades and time arrive."""
