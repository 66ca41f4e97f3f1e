"""Cases for people to name: which, by whom, what they agreed on, and how it goes to training.

`selection` and `agreement` are pure rules; `queue`, `results` and `exporting` read and write the store.
"""
