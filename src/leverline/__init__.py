"""leverline: leverage limits calibrated from market data, enforced, and shown to hold."""

__version__ = "0.1.0"
