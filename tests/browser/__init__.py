"""The pages in a real Chromium: what a person sees, touches, hears and says."""
