"""Theory beside matrices of finite size: draws of them, and how far apart the two may be."""
