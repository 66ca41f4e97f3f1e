"""What the centre knows about devices: who is there, what waits on them, which model they run."""
