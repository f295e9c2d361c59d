"""What networks are asked to predict, along any path: tables of theory, networks of finite size."""
