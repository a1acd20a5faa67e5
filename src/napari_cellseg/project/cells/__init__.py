"""What is known of cells beside their pixels."""
