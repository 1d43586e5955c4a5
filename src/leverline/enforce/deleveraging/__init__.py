"""Who is closed against bankrupt pools: interchangeable policies, each with the promises that it is held to."""
