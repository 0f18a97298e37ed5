-- The message of a peer with the highest number is shown to that peer at every connection.
CREATE INDEX inbox_number ON inbox (peer, number);
