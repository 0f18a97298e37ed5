-- Text compares by bytes (COLLATE "C"), as in the other stores. Moments are nanoseconds since 1970 in UTC. Codes of kind and state: store.rs. Columns named `sealed` and `wrapped` are opaque here.
CREATE TABLE record (
    kind         BIGINT NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    parent       TEXT COLLATE "C",
    open         BIGINT NOT NULL,
    alias        TEXT COLLATE "C",
    clear        TEXT COLLATE "C" NOT NULL,
    sealed       BYTEA,
    PRIMARY KEY (kind, id)
);
CREATE INDEX record_open ON record (kind, id) WHERE open = 1;
CREATE INDEX record_parent ON record (kind, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX record_alias ON record (kind, alias, id) WHERE alias IS NOT NULL;

CREATE TABLE replay (
    scope        TEXT COLLATE "C" NOT NULL,
    request_id   TEXT COLLATE "C" NOT NULL,
    body         BYTEA NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (scope, request_id)
);

-- `arrival` orders a thread as it came in; peers choose `number` and `seq`, so neither can.
CREATE TABLE inbox (
    arrival      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    peer         TEXT COLLATE "C" NOT NULL,
    message      TEXT COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    thread       TEXT COLLATE "C" NOT NULL,
    seq          BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    hash         BYTEA NOT NULL,
    sealed       BYTEA NOT NULL,
    proof        BYTEA NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL,
    UNIQUE (peer, message)
);
CREATE INDEX inbox_thread ON inbox (thread, arrival);

CREATE TABLE outbox (
    peer         TEXT COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    message      TEXT COLLATE "C" NOT NULL UNIQUE,
    thread       TEXT COLLATE "C" NOT NULL,
    seq          BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    hash         BYTEA NOT NULL,
    sealed       BYTEA NOT NULL,
    subject_kind BIGINT NOT NULL,
    subject_id   TEXT COLLATE "C" NOT NULL,
    state        BIGINT NOT NULL,
    reason       TEXT COLLATE "C",
    proof        BYTEA,
    queued       BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    PRIMARY KEY (peer, number)
);
CREATE INDEX outbox_state ON outbox (peer, state, number);
CREATE INDEX outbox_thread ON outbox (thread, number);

-- Highest number given out to and received from each peer: never goes down, also when old messages are removed.
CREATE TABLE peer_head (
    peer         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sent         BIGINT NOT NULL,
    received     BIGINT NOT NULL
);

CREATE TABLE event (
    seq          BIGINT PRIMARY KEY,
    kind         TEXT COLLATE "C" NOT NULL,
    resource     TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL
);

CREATE TABLE entry (
    idx          BIGINT PRIMARY KEY,
    bytes        BYTEA NOT NULL,
    leaf         BYTEA NOT NULL,
    salts        BYTEA,
    case_id      TEXT COLLATE "C"
);
CREATE INDEX entry_case ON entry (case_id, idx) WHERE case_id IS NOT NULL;

CREATE TABLE timer (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    due          BIGINT NOT NULL,
    action       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX timer_due ON timer (due, id);

CREATE TABLE client_key (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    wrapped      BYTEA NOT NULL
);

-- One row; locked by every commit, so that the log and the events have one order. Never goes down.
CREATE TABLE head (
    one          BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    log_size     BIGINT NOT NULL,
    last_event   BIGINT NOT NULL
);
INSERT INTO head (one, log_size, last_event) VALUES (1, 0, 0);
