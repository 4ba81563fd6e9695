"""The laboratory behind the tables of the papers; it imports medts, and nothing imports it."""
