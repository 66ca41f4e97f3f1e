"""Sentences and words the recogniser is judged on; none was trained on."""
