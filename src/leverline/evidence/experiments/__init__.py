"""Named experiments: what was claimed, what was measured, with what uncertainty."""
