"""What getting files costs: each module yields figures, and `manage.py bench NAME` runs the one of that name."""
