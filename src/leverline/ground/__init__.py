"""The ground floor: errors, atomic files, progress, the compiler wrapper. Knows nothing of markets."""
