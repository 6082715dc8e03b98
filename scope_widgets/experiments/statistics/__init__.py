"""What analyses share of statistics: a t-test, the interval of a share, means over groups of prompts, rounding."""
