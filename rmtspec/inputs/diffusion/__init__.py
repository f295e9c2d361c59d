"""What a network is shown of noised data, and what it is asked to predict."""
