"""The documentation says what the software does."""
