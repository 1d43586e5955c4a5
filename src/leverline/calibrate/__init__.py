"""Where the line is: from measures and an appetite to a limit book."""
