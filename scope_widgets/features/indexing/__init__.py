"""What each latent of an autoencoder fires on, written once and looked up quickly."""
