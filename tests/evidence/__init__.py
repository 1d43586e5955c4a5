"""Tests of the evidence floor."""
