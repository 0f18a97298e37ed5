-- Moments are nanoseconds since 1970 in UTC. Codes of kind and state: store.rs. Columns named `sealed` and `wrapped` are opaque here.
CREATE TABLE record (
    kind    INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    parent  TEXT,
    open    INTEGER NOT NULL,
    alias   TEXT,
    clear   TEXT    NOT NULL,
    sealed  BLOB,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX record_open ON record (kind, id) WHERE open = 1;
CREATE INDEX record_parent ON record (kind, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX record_alias ON record (kind, alias, id) WHERE alias IS NOT NULL;

CREATE TABLE replay (
    scope      TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    outcome    TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (scope, request_id)
) STRICT;

-- `arrival` orders a thread as it came in; peers choose `number` and `seq`, so neither can.
CREATE TABLE inbox (
    arrival INTEGER PRIMARY KEY,
    peer    TEXT    NOT NULL,
    message TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    thread  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    hash    BLOB    NOT NULL,
    sealed  BLOB    NOT NULL,
    proof   BLOB    NOT NULL,
    outcome TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    UNIQUE (peer, message)
) STRICT;
CREATE INDEX inbox_thread ON inbox (thread, arrival);

CREATE TABLE outbox (
    peer         TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    message      TEXT    NOT NULL UNIQUE,
    thread       TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    sealed       BLOB    NOT NULL,
    subject_kind INTEGER NOT NULL,
    subject_id   TEXT    NOT NULL,
    state        INTEGER NOT NULL,
    reason       TEXT,
    proof        BLOB,
    queued       INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (peer, number)
) STRICT;
CREATE INDEX outbox_state ON outbox (peer, state, number);
CREATE INDEX outbox_thread ON outbox (thread, number);

-- Highest number given out to and received from each peer: never goes down, also when old messages are removed.
CREATE TABLE peer_head (
    peer     TEXT    NOT NULL PRIMARY KEY,
    sent     INTEGER NOT NULL,
    received INTEGER NOT NULL
) STRICT;

CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,
    resource TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE entry (
    idx     INTEGER PRIMARY KEY,
    bytes   BLOB    NOT NULL,
    leaf    BLOB    NOT NULL,
    salts   BLOB,
    case_id TEXT
) STRICT;
CREATE INDEX entry_case ON entry (case_id, idx) WHERE case_id IS NOT NULL;

CREATE TABLE timer (
    id     TEXT    NOT NULL PRIMARY KEY,
    due    INTEGER NOT NULL,
    action TEXT    NOT NULL
) STRICT;
CREATE INDEX timer_due ON timer (due, id);

CREATE TABLE client_key (
    id      TEXT NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT;

-- One row; locked by every commit, so that the log and the events have one order. Never goes down.
CREATE TABLE head (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    log_size   INTEGER NOT NULL,
    last_event INTEGER NOT NULL
) STRICT;
INSERT INTO head (one, log_size, last_event) VALUES (1, 0, 0);
