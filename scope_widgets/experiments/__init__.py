"""What experiments are made of: tasks, metrics, answer tokens, ablations, directions, statistics, path patching.

The experiments themselves are in the rooms that share this: `patching`, `ioi`, `circuits`, `heads`, `lens`, `steering`.
"""
