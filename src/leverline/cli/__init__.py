"""The command line: one module a verb; parsing, printing, exit codes."""
