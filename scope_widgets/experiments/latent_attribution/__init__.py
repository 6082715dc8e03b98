"""Attribution to latents of autoencoders that stand in a forward with their errors, and ablation of latents."""
