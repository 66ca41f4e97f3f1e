"""What the pages say, held to what is there: links, paths, commands, named tests."""
