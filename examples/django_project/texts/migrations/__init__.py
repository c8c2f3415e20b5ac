"""What changes the database, step by step."""
