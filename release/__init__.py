"""What a release needs besides the code: what is delivered, what comes with it, and the list that one command walks.

- `supply`: SBOM, licences, known vulnerabilities and secrets.
- `checklist`: the steps of a release.
- `database`: the database of a release as a fixture, made by the release itself.
"""
