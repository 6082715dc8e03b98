"""Look inside language models from a notebook."""
