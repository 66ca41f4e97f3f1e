"""What the appliance can be told on the command line, a module for each matter. Words and exit codes only."""
