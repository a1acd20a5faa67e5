"""What is asked of a server, and what goes back."""
