"""The command line: one module a verb; parsing, printing, exit codes, no logic."""

from leverline.cli.main import main

__all__ = ["main"]
