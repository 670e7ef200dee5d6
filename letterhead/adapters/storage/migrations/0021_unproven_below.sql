-- How many domains without proof an account has below one name.
CREATE INDEX /*postgresql CONCURRENTLY */ domains_unproven_path ON domains (account_id, path)
WHERE held = 0 AND status IN ('PENDING', 'NOT_STARTED');
