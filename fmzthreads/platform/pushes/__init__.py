"""Push messages: mail, webhooks and bots by URL, through a queue that is kept on disk."""
