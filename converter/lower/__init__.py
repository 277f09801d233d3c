"""IR to the file: operators and programs as words, the writer, and a reader."""
