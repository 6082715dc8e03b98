"""Results as plotly figures, a function of each kind, found by `Result.plot`."""
