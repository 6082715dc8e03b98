"""Tools of the checkout; run one as `python -m scripts.NAME`."""
