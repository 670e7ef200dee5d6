"""The making of a page's HTML.

- `brand`: the operator's colour, with a contrast that can be read
- `environment`: the Jinja environment, the assets, and the Content-Security-Policy
- `texts`: the catalogue of texts, one for each language
"""
