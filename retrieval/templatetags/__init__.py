"""What the pages of the basket and of the retrievals show of retrieving."""
