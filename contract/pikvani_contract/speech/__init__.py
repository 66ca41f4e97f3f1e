"""What training and the appliance must agree on about speech: features, units, and how a written word sounds."""
