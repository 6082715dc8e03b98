"""What probes of activations and of latents share: two classes of texts, and logistic regressions."""
