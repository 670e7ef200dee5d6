-- The sender domains whose events a webhook endpoint gets, as JSON, and the kinds of them; NULL: those of the whole
-- account, by `events`. Where there are domains, `events` has no kind: processes of earlier versions, which do not look at
-- the domains, add no delivery for it, and can't subscribe it to more.
ALTER TABLE webhooks ADD COLUMN bound_events TEXT;
ALTER TABLE webhooks ADD COLUMN binding TEXT CHECK (binding IS NULL OR events = ' ');
