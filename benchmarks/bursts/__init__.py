"""Who takes part in `benchmarks.burst`: servers, contestants, and what may lie on the way."""
