"""The command line, one command a file: options in, one public call, its result printed."""
