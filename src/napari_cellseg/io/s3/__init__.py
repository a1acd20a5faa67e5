"""Images in S3: addresses, lists, a cache on this computer, reading in parts."""
