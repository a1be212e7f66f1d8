"""Rate limits of venues: counted on our side, shared by threads, exchange objects and processes."""
