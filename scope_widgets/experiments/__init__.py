"""What several analyses share: tasks, metrics, answer tokens, directions, groups of prompts, path patching."""
