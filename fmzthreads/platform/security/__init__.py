"""Who may do what on the platform: people, sessions, share links, the audit trail, and checks of each request."""
