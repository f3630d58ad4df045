"""What this project costs beside what people would use instead; run a file with --help."""
