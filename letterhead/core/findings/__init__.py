"""Diagnoses and findings: what may be wrong with a record, what is, and how to repair it.

- `diagnosis`: `Diagnosis`, `Finding`, and `Topic`, which joins the rules of one standard.
- `acceptance`: findings that an account accepts until a day.
- `misplaced`: the diagnoses that all topics share: a right value in the wrong place or of the wrong shape.
- `candidate_names`: the other names at which a record may have been published, and what was seen there.
- `repairs`: how a value is spoilt on its way into DNS, undone.
"""
