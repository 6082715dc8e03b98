"""The tasks that are made for a model: pairs of prompts in words that its tokenizer can carry."""
