"""Robots: their life, what is read of their folders, who watches them."""
