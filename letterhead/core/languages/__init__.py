"""The languages that customers read: which one a browser asks for, its texts, its dates and numbers.

- `language`: `Language`, the translations of one language, and how a text is translated.
- `negotiation`: the languages that there are, and which of them an Accept-Language asks for.
- `formats`: dates, numbers and lists as CLDR writes them.
- `templates`: a template with {named} places: filled in, and read back from a text.
- `phrases`: the templates of texts that other modules put together.
"""
