"""What templates may ask of the basket."""
