"""Wi-Fi of a device: which networks there are, joining one, being one, and why it did not work."""
