-- What the findings of a checkup follow from, and the version of the domain that it was kept with: a check that sees the
-- same need not find them again.
ALTER TABLE checkups ADD COLUMN basis TEXT;

ALTER TABLE checkups ADD COLUMN version BIGINT;

/*postgresql
-- Claiming and handing back change no indexed column any more, so that they leave the indexes alone (HOT).
DROP INDEX domains_leased; */
