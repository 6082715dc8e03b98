"""Which latents fire otherwise on one set of prompts than on another."""
