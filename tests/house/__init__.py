"""What holds for the whole house: the size of modules, and that none import each other in a circle."""
