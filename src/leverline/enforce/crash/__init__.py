"""A crash in columns: the same decisions as one by one, for tens of thousands of pools at once."""
