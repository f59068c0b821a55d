-- Public keys and ids are lower-case hex, times are Unix seconds.

-- The audit log: each change, in the order in which they were made. Nothing is ever
-- changed or deleted here.
CREATE TABLE change (
	nth     INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	by      TEXT,            -- public key; NULL: somebody with access to the machine
	door    TEXT NOT NULL,   -- through which the change came
	verb    TEXT NOT NULL,
	subject TEXT NOT NULL,   -- what it is about: a key, an id, an address, a kind, a name
	was     TEXT,            -- JSON; NULL: nothing was there
	became  TEXT,            -- JSON; NULL: nothing is there
	why     TEXT NOT NULL
) STRICT;
CREATE INDEX change_subject ON change (subject, nth);
CREATE INDEX change_by ON change (by, nth) WHERE by IS NOT NULL;
CREATE TRIGGER change_stays BEFORE UPDATE ON change BEGIN SELECT RAISE(ABORT, 'the audit log does not change'); END;
CREATE TRIGGER change_is_kept BEFORE DELETE ON change BEGIN SELECT RAISE(ABORT, 'the audit log does not change'); END;

-- Authors whose events are refused.
CREATE TABLE ban (
	pubkey TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
	at     INTEGER NOT NULL,
	until  INTEGER NOT NULL,  -- 0: for good
	hidden INTEGER NOT NULL,  -- 1: what they have written is shown to nobody
	erase  INTEGER NOT NULL,  -- 1: what was stored of them is removed, see job
	why    TEXT NOT NULL
) STRICT;

-- Authors about whom reports up to a time are closed.
CREATE TABLE dismissal (
	pubkey TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
	at     INTEGER NOT NULL,
	why    TEXT NOT NULL
) STRICT;

-- Single events.
CREATE TABLE ruling (
	id  TEXT PRIMARY KEY CHECK (length(id) = 64),
	at  INTEGER NOT NULL,
	do  TEXT NOT NULL CHECK (do IN ('hide', 'remove')),
	why TEXT NOT NULL
) STRICT;

-- Authors whose events need not wait for a person to approve them.
CREATE TABLE approved (
	pubkey TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
	at     INTEGER NOT NULL,
	why    TEXT NOT NULL
) STRICT;

-- Events that wait for a person to approve them. They are not among the stored events.
CREATE TABLE waiting (
	id       TEXT PRIMARY KEY CHECK (length(id) = 64),
	pubkey   TEXT NOT NULL CHECK (length(pubkey) = 64),
	at       INTEGER NOT NULL,
	until    INTEGER NOT NULL,  -- it waits no longer
	approved INTEGER NOT NULL,  -- 1: it is on its way to the stored events, see job
	event    BLOB NOT NULL      -- JSON, as its client has sent it
) STRICT;
CREATE INDEX waiting_pubkey ON waiting (pubkey);

-- Addresses that may not connect.
CREATE TABLE address (
	prefix TEXT PRIMARY KEY,
	at     INTEGER NOT NULL,
	why    TEXT NOT NULL
) STRICT;

-- Kinds about which a door has decided; the configuration decides about all others.
CREATE TABLE kind (
	kind    INTEGER PRIMARY KEY CHECK (kind BETWEEN 0 AND 65535),
	at      INTEGER NOT NULL,
	allowed INTEGER NOT NULL
) STRICT;

-- Settings that stand over the configuration.
CREATE TABLE setting (
	name  TEXT PRIMARY KEY,
	at    INTEGER NOT NULL,
	value TEXT NOT NULL
) STRICT;

-- People who belong to the relay.
CREATE TABLE member (
	nth     INTEGER PRIMARY KEY AUTOINCREMENT,
	pubkey  TEXT NOT NULL UNIQUE CHECK (length(pubkey) = 64),
	since   INTEGER NOT NULL,
	inviter TEXT,           -- public key; NULL: somebody with access to the machine, or nobody
	invite  TEXT,           -- the code they came with; NULL: none
	note    TEXT NOT NULL   -- of the operator; it is not in the audit log, and goes when they vanish
) STRICT;
CREATE INDEX member_inviter ON member (inviter, nth);

CREATE TABLE role (
	id          TEXT PRIMARY KEY,
	at          INTEGER NOT NULL,
	label       TEXT NOT NULL,
	description TEXT NOT NULL,
	color       INTEGER CHECK (color BETWEEN 0 AND 360),
	place       INTEGER     -- among the roles, the smallest first; NULL: behind all
) STRICT;

CREATE TABLE member_role (
	pubkey TEXT NOT NULL REFERENCES member (pubkey) ON DELETE CASCADE,
	role   TEXT NOT NULL REFERENCES role (id) ON DELETE CASCADE,
	PRIMARY KEY (pubkey, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_role_role ON member_role (role);

-- Codes by which people become members.
CREATE TABLE invite (
	nth   INTEGER PRIMARY KEY AUTOINCREMENT,
	code  TEXT NOT NULL UNIQUE,
	at    INTEGER NOT NULL,
	by    TEXT,             -- public key; NULL: somebody with access to the machine
	until INTEGER NOT NULL, -- 0: for good
	most  INTEGER NOT NULL, -- so many people may use it; 0: any number
	used  INTEGER NOT NULL,
	roles TEXT NOT NULL     -- what they get: ids, a JSON list
) STRICT;
CREATE INDEX invite_by ON invite (by, nth);

CREATE TABLE invite_use (
	code   TEXT NOT NULL REFERENCES invite (code) ON DELETE CASCADE,
	pubkey TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (code, pubkey)
) STRICT, WITHOUT ROWID;

-- What is still to be done because of a change. A job may be done twice.
CREATE TABLE job (
	nth     INTEGER PRIMARY KEY AUTOINCREMENT,
	change  INTEGER NOT NULL REFERENCES change (nth),
	verb    TEXT NOT NULL,
	subject TEXT NOT NULL
) STRICT;

-- Signed events by which changes were asked for over HTTP (NIP-98), each good for one.
CREATE TABLE call (
	id TEXT PRIMARY KEY CHECK (length(id) = 64),
	at INTEGER NOT NULL  -- created_at of the event
) STRICT;
