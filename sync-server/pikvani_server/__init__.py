"""The centre: takes in what devices saw, answers with receipts, shows it to people."""
