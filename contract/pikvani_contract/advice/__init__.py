"""The advice package: sentences with sources, what each condition looks like, and the rules both hold to.

`rows` are the lines of its tables, `rules` say what may stand in them and who may see which, `package` reads the folder
that carries them. It travels like a model package: signed, in a slot of its own.
"""
