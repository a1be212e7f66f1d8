"""Local order books, kept in step with a stream."""
