"""The windows of AWS: what runs there, what it costs, what it prints."""
