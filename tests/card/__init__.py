"""From a blank card to an enrolled device under a real systemd, and everything that breaks it afterwards."""
