"""Keys and what is done with them: credentials, signatures, encodings."""
