"""The labels under correction, and all that changes them."""
