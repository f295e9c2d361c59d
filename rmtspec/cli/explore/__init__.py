"""The page: sliders on one side, public functions on the other.

`state` is what is asked, as the query of an address; `scene` and `diagram` ask public functions;
`snippet` says the same in Python; `figures`, `page` and `session` show it, and `server` serves it.
Only these last four need Bokeh.  A further model enters as entries of `state.QUANTITIES`, a builder
in `scene` and its lines in `snippet`.
"""
