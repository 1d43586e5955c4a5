"""What stands beside the bars on the page: liquidity, mark against fill, implied volatility, young listings."""
