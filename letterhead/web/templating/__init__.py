"""How a page's HTML is made, and what a browser may load.

`environment` has the templates, `texts` every sentence, `brand` the operator's colour.
"""
