"""Statistics of prices: volatility, losses, tails, coverage."""
