"""Result tables of platforms and plain tables of answers, read into tables of responses."""
