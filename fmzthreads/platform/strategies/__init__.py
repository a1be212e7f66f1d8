"""The strategies of the platform: files in a folder, with git as their history where it is installed."""
