"""The field test of a device: one function a part, each looks at one thing and says what it found."""
