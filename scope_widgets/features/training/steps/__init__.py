"""A step of training: which latents fire, their gradients, and what becomes of dead ones."""
