"""Does the line hold: walk-forward backtests, named experiments, benchmarks."""
