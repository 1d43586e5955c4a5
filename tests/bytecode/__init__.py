"""Our rulebooks against the venues' own bytecode, run in this process."""
