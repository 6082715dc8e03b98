"""Finding the edges that do a task: by gradients, by taking them out, by pruning."""
