"""Where latents come from: attribution to earlier latents and components, confirmed by ablation."""
