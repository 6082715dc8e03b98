"""Labels of latents, with how well they say where a latent fires."""
