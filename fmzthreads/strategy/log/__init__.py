"""What a strategy writes and sends: the journal, where its lines go, how they are drawn, and mail."""
