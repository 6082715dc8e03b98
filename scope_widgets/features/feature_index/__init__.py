"""An index of what latents fire on, read: one latent, pages of them, searches, what fires on a prompt."""
