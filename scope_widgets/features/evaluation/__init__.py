"""How good an autoencoder is: of rows, of the model it is spliced into, of planted data."""
