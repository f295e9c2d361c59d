"""What a check is, how experiments are run and resumed, and the page that shows them."""
