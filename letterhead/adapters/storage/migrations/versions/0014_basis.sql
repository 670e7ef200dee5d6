-- What the findings of a checkup follow from, and the version of the domain that it was kept with: a check that sees the
-- same need not find them again.
ALTER TABLE checkups ADD COLUMN basis TEXT;

ALTER TABLE checkups ADD COLUMN version BIGINT;
