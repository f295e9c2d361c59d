"""Networks that learn a score, their training loops and their sampling."""
