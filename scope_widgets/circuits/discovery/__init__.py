"""The edges that do a task, found: by gradients, by cutting them, by pruning."""
