"""The report as one page: the verdict first, then the picture, then all that it rests on."""
