"""Figures and the report for a risk committee."""
