"""What the streams of a process share: turns to connect, and connections that carry several books."""
