"""Where market data comes from: files, datasets on the package index, exchanges."""
