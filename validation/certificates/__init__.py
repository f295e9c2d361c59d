"""Every solved equation judged again, and laws held against closed forms."""
