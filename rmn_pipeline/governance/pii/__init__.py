"""Personal data in texts: found, scanned for in bulk, and made unreadable."""
