"""What each view looks like on paper, drawn in Python: the still in a notebook, and the figure for a paper."""
