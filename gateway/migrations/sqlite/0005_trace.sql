-- The traceparent of the act that put a message in the outbox, or told an event: one trace goes on through queues and restarts.
ALTER TABLE outbox ADD COLUMN trace TEXT;
ALTER TABLE event ADD COLUMN trace TEXT;
