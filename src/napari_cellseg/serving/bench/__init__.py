"""Where requests are worked off: processes, threads, devices, the queue."""
