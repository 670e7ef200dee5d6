"""How a page's HTML is made: templates, texts, the operator's brand, and what a browser may load."""
