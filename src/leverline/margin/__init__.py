"""What an account needs: rulebooks, valuation, requirement, health, triggers."""
