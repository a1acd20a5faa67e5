"""What a model learns from and is judged by."""
