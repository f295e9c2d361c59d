"""Learning curves of networks of finite size, trained exactly, against theory."""
