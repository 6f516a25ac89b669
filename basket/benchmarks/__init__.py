"""What clicks on the basket cost: each module yields figures, and `manage.py bench basket` runs them all."""
