-- What an erasure looks for: the hash of a request says something of what was in it, and goes with the case.
CREATE INDEX replay_outcome ON replay (outcome);
