"""Random-feature networks of finite size: second moments of their features, and their training."""
