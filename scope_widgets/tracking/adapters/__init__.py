"""Other packages that a run tells too, each named by the user and imported only then."""
