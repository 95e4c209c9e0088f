BEGIN TRANSACTION;
CREATE TABLE about (
    session_id TEXT NOT NULL REFERENCES session, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (session_id, name)) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    detail TEXT NOT NULL) STRICT;
INSERT INTO "event" VALUES(1,'e536e94305b6d421d5895c1d6320e52b',1.79610094708807587621e+09,'open','');
INSERT INTO "event" VALUES(2,'e536e94305b6d421d5895c1d6320e52b',1.79610094709159016611e+09,'consent','88d87da88d9e');
INSERT INTO "event" VALUES(3,'e536e94305b6d421d5895c1d6320e52b',1.79610094734230756755e+09,'finish','');
CREATE TABLE forgotten (mark TEXT PRIMARY KEY) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "meta" VALUES('schema','3');
INSERT INTO "meta" VALUES('study_id','street-lab-325cd93e');
INSERT INTO "meta" VALUES('spec_sha256','4140c713dbc0182e2e5f7be7467b83303c6f89d83592f60962e2776ac8c30e0c');
INSERT INTO "meta" VALUES('simulated','False');
INSERT INTO "meta" VALUES('key','26d5b38ed0b4060ccc43b41cd024db6a28837c60610a2797b65db54854f59778');
CREATE TABLE response (
    session_id TEXT NOT NULL REFERENCES session, trial_index INTEGER NOT NULL, client_id TEXT NOT NULL,
    received REAL NOT NULL, record TEXT NOT NULL, PRIMARY KEY (session_id, trial_index)) STRICT;
INSERT INTO "response" VALUES('e536e94305b6d421d5895c1d6320e52b',0,'aa6f3083e87e8b023964d36cc3f67567',1.79610094710343885424e+09,'{"onset_ts": 10.0, "response_ts": 710.5, "rt_ms": 700.5, "focus_lost": false, "asset_error": false, "chosen": "right"}');
INSERT INTO "response" VALUES('e536e94305b6d421d5895c1d6320e52b',1,'34d72f48873ead71592255b8586f7bd7',1.79610094710852837562e+09,'{"onset_ts": 10.0, "response_ts": 710.5, "rt_ms": 700.5, "focus_lost": false, "asset_error": false, "chosen": "left"}');
INSERT INTO "response" VALUES('e536e94305b6d421d5895c1d6320e52b',2,'49ba8d38d5a77ca09db3c976ca49f78e',1.79610094728621911999e+09,'{"onset_ts": 10.0, "response_ts": 710.5, "rt_ms": 700.5, "focus_lost": false, "asset_error": false, "chosen": "right"}');
CREATE TABLE session (
    session_id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, platform TEXT NOT NULL, worker_id TEXT NOT NULL,
    assignment_id TEXT NOT NULL DEFAULT '', hit_id TEXT, status TEXT NOT NULL DEFAULT 'invited',
    client_version TEXT, language TEXT,
    tab INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT -1, code TEXT NOT NULL,
    consent_version TEXT, user_agent_family TEXT, created REAL NOT NULL, started REAL, seen REAL NOT NULL, ended REAL,
    UNIQUE (platform, worker_id)) STRICT;
INSERT INTO "session" VALUES('e536e94305b6d421d5895c1d6320e52b','a52442509df76a3fcd6d65220087b1b23699346be9671f605355b750d5a9299b','local','w_30d7ce46a4f05fd8f8f8','','871466f8cc5f0253','finished',NULL,NULL,1,-1,'SRZXH4WJ','88d87da88d9e','Chrome',1.7961009469846169949e+09,1.79610094709156179427e+09,1.79610094728621911999e+09,1.79610094734221792216e+09);
COMMIT;
