"""The parts of the page beyond margins: caps, fees and funding, collateral, offsets, fund and cash, feedback, pace."""
