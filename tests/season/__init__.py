"""A device's years in half an hour: a real systemd boots the shipped bundle, and everything is broken."""
