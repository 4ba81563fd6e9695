"""Tables of statements, phrases and codes; see README.md beside this file."""
