"""What tests share: models and results to test with, slow reference implementations, servers."""
