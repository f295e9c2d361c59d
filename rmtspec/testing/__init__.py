"""Tools for other people's tests: `strategies` draws random cases, `invariants` checks answers."""
