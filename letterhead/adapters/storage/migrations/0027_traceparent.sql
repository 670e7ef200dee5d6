-- The span that called for the work, in the form of W3C Trace Context; NULL where nothing is traced.
ALTER TABLE intents ADD COLUMN traceparent TEXT;
ALTER TABLE deliveries ADD COLUMN traceparent TEXT;
