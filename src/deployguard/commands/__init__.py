"""What each command does, by the purposes of `--help`: how it begins, its story, how it ends."""
