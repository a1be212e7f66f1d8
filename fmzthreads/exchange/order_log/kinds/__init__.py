"""What differs between the kinds of intents: how each is sent, looked up and stored."""
