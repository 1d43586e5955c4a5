"""What the page of a replay shows: the course of the run in figures, its verdict, its logs."""
