-- Leaf hash of our own entry about a received message: a repeated message gets the receipt it got.
ALTER TABLE inbox ADD COLUMN leaf BYTEA;
