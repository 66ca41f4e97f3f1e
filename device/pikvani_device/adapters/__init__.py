"""One backend of a port a file. They import ports only; `app` alone imports them, by configured name."""
