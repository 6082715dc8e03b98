"""What analyses share of statistics: tests, intervals, corrections for several tests, groups of prompts, rounding."""
