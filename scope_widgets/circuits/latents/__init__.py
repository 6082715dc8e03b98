"""Circuits whose nodes are latents of autoencoders and their errors: found by gradients, measured by runs."""
