CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE studies (
	"key" INTEGER NOT NULL,
	project VARCHAR NOT NULL,
	location VARCHAR NOT NULL,
	study_id VARCHAR NOT NULL,
	display_name VARCHAR NOT NULL,
	spec TEXT NOT NULL,
	seed BIGINT NOT NULL,
	state VARCHAR NOT NULL,
	inactive_reason TEXT NOT NULL,
	create_time DOUBLE NOT NULL,
	next_trial_number BIGINT NOT NULL,
	trial_count BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	metadata TEXT NOT NULL,
	CONSTRAINT pk_studies PRIMARY KEY ("key"),
	CONSTRAINT uq_studies_project_location_display_name UNIQUE (project, location, display_name),
	CONSTRAINT uq_studies_project_location_study_id UNIQUE (project, location, study_id)
);
CREATE TABLE operations (
	operation_id VARCHAR NOT NULL,
	study_key BIGINT NOT NULL,
	client_id VARCHAR NOT NULL,
	request_id VARCHAR,
	trial_numbers TEXT NOT NULL,
	study_state VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	CONSTRAINT pk_operations PRIMARY KEY (operation_id),
	CONSTRAINT fk_operations_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
)
 WITHOUT ROWID;
CREATE INDEX ix_operations_study_key ON operations (study_key, operation_id);
CREATE UNIQUE INDEX uq_operations_request_id ON operations (study_key, request_id) WHERE request_id IS NOT NULL;
CREATE TABLE trials (
	study_key BIGINT NOT NULL,
	number BIGINT NOT NULL,
	state VARCHAR NOT NULL,
	parameters TEXT NOT NULL,
	client_id VARCHAR NOT NULL,
	attempt INTEGER NOT NULL,
	request_id VARCHAR,
	create_time DOUBLE NOT NULL,
	start_time DOUBLE,
	end_time DOUBLE,
	objective DOUBLE,
	final_measurement TEXT,
	infeasible_reason TEXT NOT NULL,
	metadata TEXT NOT NULL,
	CONSTRAINT pk_trials PRIMARY KEY (study_key, number),
	CONSTRAINT fk_trials_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
)
 WITHOUT ROWID;
CREATE INDEX ix_trials_objective ON trials (study_key, objective, number) WHERE objective IS NOT NULL;
CREATE INDEX ix_trials_unfinished ON trials (study_key, state, client_id, number, end_time) WHERE end_time IS NULL;
CREATE UNIQUE INDEX uq_trials_request_id ON trials (study_key, request_id) WHERE request_id IS NOT NULL;
CREATE TABLE measurements (
	study_key BIGINT NOT NULL,
	number BIGINT NOT NULL,
	attempt INTEGER NOT NULL,
	step BIGINT NOT NULL,
	tick BIGINT NOT NULL,
	elapsed_seconds DOUBLE NOT NULL,
	metrics TEXT NOT NULL,
	CONSTRAINT pk_measurements PRIMARY KEY (study_key, number, attempt, step, tick),
	CONSTRAINT fk_measurements_study_key_number FOREIGN KEY(study_key, number) REFERENCES trials (study_key, number)
)
 WITHOUT ROWID;
CREATE TABLE events (
	"key" INTEGER NOT NULL,
	study_key BIGINT NOT NULL,
	number BIGINT,
	time DOUBLE NOT NULL,
	kind VARCHAR NOT NULL,
	trial_number BIGINT,
	detail TEXT NOT NULL,
	CONSTRAINT pk_events PRIMARY KEY ("key"),
	CONSTRAINT fk_events_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
);
CREATE UNIQUE INDEX uq_events_number ON events (study_key, number) WHERE number IS NOT NULL;
CREATE INDEX ix_events_unnumbered ON events (study_key) WHERE number IS NULL;
INSERT INTO alembic_version (version_num) VALUES ('0001');
ALTER TABLE studies ADD COLUMN position BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE studies ADD COLUMN algorithm_failures BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE studies ADD COLUMN finished_trials BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE studies ADD COLUMN failed_trials BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE studies ADD COLUMN best_objective DOUBLE;
ALTER TABLE studies ADD COLUMN best_time DOUBLE;
ALTER TABLE studies ADD COLUMN trials_since_best BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE studies ADD COLUMN check_time DOUBLE;
CREATE INDEX ix_studies_check_time ON studies (check_time) WHERE check_time IS NOT NULL;
ALTER TABLE trials ADD COLUMN lease_seconds DOUBLE;
ALTER TABLE trials ADD COLUMN lease_expiry DOUBLE;
ALTER TABLE trials ADD COLUMN lost_attempts INTEGER DEFAULT '0' NOT NULL;
ALTER TABLE trials ADD COLUMN lost_client_id VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE trials ADD COLUMN checkpoint TEXT DEFAULT '' NOT NULL;
UPDATE trials SET attempt = 0 WHERE state = 'REQUESTED';
CREATE INDEX ix_trials_lease_expiry ON trials (lease_expiry) WHERE lease_expiry IS NOT NULL;
DROP INDEX ix_events_unnumbered;
DROP INDEX uq_events_number;
CREATE UNIQUE INDEX uq_events_number ON events (study_key, number);
ALTER TABLE operations ADD COLUMN suggestion_count INTEGER DEFAULT '0' NOT NULL;
CREATE TABLE requests (
	project VARCHAR NOT NULL,
	location VARCHAR NOT NULL,
	request_id VARCHAR NOT NULL,
	call TEXT NOT NULL,
	create_time DOUBLE NOT NULL,
	CONSTRAINT pk_requests PRIMARY KEY (project, location, request_id)
)
 WITHOUT ROWID;
CREATE INDEX ix_requests_create_time ON requests (create_time);
CREATE TABLE suggestions (
	study_key BIGINT NOT NULL,
	place INTEGER NOT NULL,
	parameters TEXT NOT NULL,
	CONSTRAINT pk_suggestions PRIMARY KEY (study_key, place),
	CONSTRAINT fk_suggestions_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
)
 WITHOUT ROWID;
UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';
CREATE TABLE artifacts (
	"key" INTEGER NOT NULL,
	study_key BIGINT NOT NULL,
	number BIGINT NOT NULL,
	name VARCHAR NOT NULL,
	blob VARCHAR NOT NULL,
	attempt INTEGER NOT NULL,
	size BIGINT NOT NULL,
	sha256 VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	discard_time DOUBLE,
	CONSTRAINT pk_artifacts PRIMARY KEY ("key")
);
CREATE UNIQUE INDEX uq_artifacts_name ON artifacts (study_key, number, name) WHERE discard_time IS NULL;
CREATE INDEX ix_artifacts_discard_time ON artifacts (discard_time) WHERE discard_time IS NOT NULL;
UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';
DROP TABLE suggestions;
UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';
ALTER TABLE events ADD COLUMN actor VARCHAR DEFAULT '' NOT NULL;
CREATE TABLE old_requests AS SELECT * FROM requests;
DROP TABLE requests;
CREATE TABLE requests (
	study_key BIGINT NOT NULL,
	location VARCHAR NOT NULL,
	request_id VARCHAR NOT NULL,
	call TEXT NOT NULL,
	result VARCHAR NOT NULL,
	forget_time DOUBLE,
	CONSTRAINT pk_requests PRIMARY KEY (study_key, location, request_id)
)
 WITHOUT ROWID;
CREATE INDEX ix_requests_forget_time ON requests (forget_time) WHERE forget_time IS NOT NULL;
INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT trials.study_key, '', trials.request_id,
           'create a trial in projects/' || studies.project || '/locations/' || studies.location || '/studies/'
           || studies.study_id, 'trials/' || CAST(trials.number AS TEXT), NULL
    FROM trials JOIN studies ON studies.key = trials.study_key
    WHERE trials.request_id IS NOT NULL;
INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT operations.study_key, '', operations.request_id,
           'suggest projects/' || studies.project || '/locations/' || studies.location || '/studies/'
           || studies.study_id, 'operations/' || operations.operation_id, operations.create_time + 86400
    FROM operations JOIN studies ON studies.key = operations.study_key
    WHERE operations.request_id IS NOT NULL
    ON CONFLICT DO NOTHING;
INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT COALESCE(studies.key, 0),
           CASE WHEN studies.key IS NULL THEN old_requests.project || '/' || old_requests.location ELSE '' END,
           old_requests.request_id, old_requests.call, '', old_requests.create_time + 86400
    FROM old_requests LEFT JOIN studies
        ON studies.project = old_requests.project AND studies.location = old_requests.location
        AND studies.study_id =
        CASE WHEN instr(old_requests.call, '/studies/') > 0 THEN substr(
            substr(old_requests.call, instr(old_requests.call, '/studies/') + 9), 1,
            instr(substr(old_requests.call, instr(old_requests.call, '/studies/') + 9) || '/', '/') - 1
        ) ELSE '' END

        AND old_requests.call <> 'delete projects/' || old_requests.project || '/locations/' || old_requests.location
            || '/studies/' || studies.study_id
    WHERE TRUE
    ON CONFLICT DO NOTHING;
DROP TABLE old_requests;
DROP INDEX uq_trials_request_id;
ALTER TABLE trials DROP COLUMN request_id;
DROP INDEX uq_operations_request_id;
ALTER TABLE operations DROP COLUMN request_id;
UPDATE alembic_version SET version_num='0005' WHERE alembic_version.version_num = '0004';
ALTER TABLE studies ADD COLUMN stops_trials BOOLEAN DEFAULT 0 NOT NULL;
CREATE TABLE curves (
	study_key BIGINT NOT NULL,
	number BIGINT NOT NULL,
	position DOUBLE NOT NULL,
	best DOUBLE NOT NULL,
	mean DOUBLE NOT NULL,
	count BIGINT NOT NULL,
	is_first BOOLEAN NOT NULL,
	CONSTRAINT pk_curves PRIMARY KEY (study_key, number, position),
	CONSTRAINT fk_curves_study_key_number FOREIGN KEY(study_key, number) REFERENCES trials (study_key, number)
)
 WITHOUT ROWID;
CREATE INDEX ix_curves_is_first ON curves (study_key, number, is_first) WHERE is_first = 1;
CREATE INDEX ix_curves_best ON curves (study_key, best);
UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005';
CREATE INDEX ix_trials_infeasible ON trials (study_key, number, state) WHERE state = 'INFEASIBLE';
UPDATE alembic_version SET version_num='0007' WHERE alembic_version.version_num = '0006';
ALTER TABLE trials ADD COLUMN partial_objective DOUBLE;
UPDATE trials SET partial_objective = objective, objective = NULL
    WHERE objective IS NOT NULL AND (study_key, number) IN (
        SELECT study_key, trial_number FROM events WHERE kind = 'TRIAL_STOPPING'
    );
CREATE INDEX ix_trials_partial_objective ON trials (study_key, partial_objective, number) WHERE partial_objective IS NOT NULL;
UPDATE alembic_version SET version_num='0008' WHERE alembic_version.version_num = '0007';
CREATE TABLE access (
	"key" INTEGER NOT NULL,
	version BIGINT NOT NULL,
	secret VARCHAR,
	CONSTRAINT pk_access PRIMARY KEY ("key")
);
CREATE TABLE tokens (
	token_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	project VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	key_id VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	creator VARCHAR NOT NULL,
	expire_time DOUBLE,
	use_time DOUBLE,
	CONSTRAINT pk_tokens PRIMARY KEY (token_id)
);
CREATE TABLE people (
	name VARCHAR NOT NULL,
	password VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	creator VARCHAR NOT NULL,
	CONSTRAINT pk_people PRIMARY KEY (name)
);
CREATE TABLE members (
	person VARCHAR NOT NULL,
	project VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	CONSTRAINT pk_members PRIMARY KEY (person, project),
	CONSTRAINT fk_members_person FOREIGN KEY(person) REFERENCES people (name)
);
CREATE TABLE sessions (
	session_id VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	key_id VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	expire_time DOUBLE NOT NULL,
	use_time DOUBLE NOT NULL,
	CONSTRAINT pk_sessions PRIMARY KEY (session_id)
);
CREATE INDEX ix_sessions_expire_time ON sessions (expire_time);
CREATE TABLE audit (
	"key" INTEGER NOT NULL,
	time DOUBLE NOT NULL,
	actor VARCHAR NOT NULL,
	address VARCHAR NOT NULL,
	action VARCHAR NOT NULL,
	project VARCHAR NOT NULL,
	target VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY ("key")
);
CREATE INDEX ix_audit_time ON audit (time);
CREATE INDEX ix_audit_project ON audit (project, "key");
UPDATE alembic_version SET version_num='0009' WHERE alembic_version.version_num = '0008';
CREATE TABLE deleted_studies (
	study_key BIGINT NOT NULL,
	project VARCHAR NOT NULL,
	location VARCHAR NOT NULL,
	study_id VARCHAR NOT NULL,
	display_name VARCHAR NOT NULL,
	delete_time DOUBLE NOT NULL,
	purge_time DOUBLE NOT NULL,
	CONSTRAINT pk_deleted_studies PRIMARY KEY (study_key),
	CONSTRAINT fk_deleted_studies_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
)
 WITHOUT ROWID;
CREATE INDEX ix_deleted_studies_purge_time ON deleted_studies (purge_time);
CREATE INDEX ix_deleted_studies_delete_time ON deleted_studies (delete_time);
UPDATE alembic_version SET version_num='0010' WHERE alembic_version.version_num = '0009';
ALTER TABLE studies ADD COLUMN archive_time DOUBLE;
ALTER TABLE studies ADD COLUMN created_name VARCHAR;
ALTER TABLE studies ADD COLUMN created_spec TEXT;
CREATE TABLE workers (
	study_key BIGINT NOT NULL,
	client_id VARCHAR NOT NULL,
	first_time DOUBLE NOT NULL,
	seen_time DOUBLE NOT NULL,
	agent VARCHAR DEFAULT '' NOT NULL,
	stop VARCHAR DEFAULT '' NOT NULL,
	told BOOLEAN DEFAULT 0 NOT NULL,
	finished BIGINT DEFAULT '0' NOT NULL,
	failed BIGINT DEFAULT '0' NOT NULL,
	busy_seconds DOUBLE DEFAULT '0' NOT NULL,
	CONSTRAINT pk_workers PRIMARY KEY (study_key, client_id),
	CONSTRAINT fk_workers_study_key FOREIGN KEY(study_key) REFERENCES studies ("key")
)
 WITHOUT ROWID;
INSERT INTO workers (study_key, client_id, first_time, seen_time, finished, failed, busy_seconds)
    SELECT study_key, client_id, min(start_time), max(coalesce(end_time, start_time)),
           sum(CASE WHEN state = 'SUCCEEDED' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'INFEASIBLE' THEN 1 ELSE 0 END),
           sum(coalesce(end_time, start_time) - start_time)
    FROM trials WHERE client_id <> '' AND start_time IS NOT NULL
    GROUP BY study_key, client_id;
UPDATE alembic_version SET version_num='0011' WHERE alembic_version.version_num = '0010';
CREATE TABLE webhooks (
	webhook_id VARCHAR NOT NULL,
	project VARCHAR NOT NULL,
	url VARCHAR NOT NULL,
	form VARCHAR NOT NULL,
	kinds TEXT NOT NULL,
	secret VARCHAR NOT NULL,
	create_time DOUBLE NOT NULL,
	claimant VARCHAR NOT NULL,
	claim_expiry DOUBLE NOT NULL,
	CONSTRAINT pk_webhooks PRIMARY KEY (webhook_id)
);
CREATE TABLE webhook_cursors (
	webhook_id VARCHAR NOT NULL,
	study_key BIGINT NOT NULL,
	number BIGINT NOT NULL,
	tries INTEGER NOT NULL,
	next_time DOUBLE NOT NULL,
	CONSTRAINT pk_webhook_cursors PRIMARY KEY (study_key, webhook_id)
)
 WITHOUT ROWID;
CREATE TABLE webhook_deliveries (
	"key" INTEGER NOT NULL,
	webhook_id VARCHAR NOT NULL,
	study VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	kind VARCHAR NOT NULL,
	time DOUBLE NOT NULL,
	code INTEGER NOT NULL,
	problem TEXT NOT NULL,
	CONSTRAINT pk_webhook_deliveries PRIMARY KEY ("key")
);
CREATE INDEX ix_webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id, "key");
UPDATE alembic_version SET version_num='0012' WHERE alembic_version.version_num = '0011';
ALTER TABLE studies ADD COLUMN wanted_workers BIGINT;
UPDATE alembic_version SET version_num='0013' WHERE alembic_version.version_num = '0012';
ALTER TABLE workers ADD COLUMN gpus DOUBLE DEFAULT '0' NOT NULL;
UPDATE alembic_version SET version_num='0014' WHERE alembic_version.version_num = '0013';
INSERT INTO studies (project, location, study_id, display_name, spec, seed, state, inactive_reason, create_time, next_trial_number, trial_count, revision, metadata) VALUES ('p', 'l', 's', 'the s', '{"metrics":[{"id":"loss","goal":"MINIMIZE","safety":null}],"space":{"parameters":[{"id":"x","kind":{"min_value":0.0,"max_value":1.0,"scale":"LINEAR","default_value":null,"type":"double"},"branches":[]}]},"algorithm":"RANDOM_SEARCH","noise":"UNSPECIFIED","selection":"LAST","stopping":{"max_num_trials":20}}', 7, 'ACTIVE', '', 1000.5, 8, 6, 2, '{"owner":"ada"}');
INSERT INTO studies (project, location, study_id, display_name, spec, seed, state, inactive_reason, create_time, next_trial_number, trial_count, revision, metadata) VALUES ('p', 'l', 'paused', 'paused', '{"metrics":[{"id":"loss","goal":"MINIMIZE","safety":null}],"space":{"parameters":[{"id":"x","kind":{"min_value":0.0,"max_value":1.0,"scale":"LINEAR","default_value":null,"type":"double"},"branches":[]}]},"algorithm":"RANDOM_SEARCH","noise":"UNSPECIFIED","selection":"LAST","stopping":{"max_num_trials":20},"stopping_rule":{"method":"MEDIAN","use_elapsed_time":false,"max_steps":null,"min_steps":null,"min_measurements":null,"learning_rate_parameter":null,"update_stopped_trials":null}}', 7, 'INACTIVE', 'lunch', 1000.5, 1, 0, 2, '{"owner":"ada"}');
INSERT INTO studies (project, location, study_id, display_name, spec, seed, state, inactive_reason, create_time, next_trial_number, trial_count, revision, metadata, stops_trials) VALUES ('p', 'm', 'm', 'the m', '{"metrics":[{"id":"loss","goal":"MINIMIZE","safety":null}],"space":{"parameters":[{"id":"x","kind":{"min_value":0.0,"max_value":1.0,"scale":"LINEAR","default_value":null,"type":"double"},"branches":[]}]},"algorithm":"RANDOM_SEARCH","noise":"UNSPECIFIED","selection":"LAST","stopping":{"max_num_trials":20}}', 7, 'ACTIVE', '', 1000.5, 3, 2, 2, '{"owner":"ada"}', 1);
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 1, 'SUCCEEDED', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, 1002.0, 0.5, '[2,20.0,{"loss":0.5,"acc":"NaN"}]', '', '{"tag":"first"}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 2, 'INFEASIBLE', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, 1003.0, NULL, NULL, 'out of memory', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 3, 'ACTIVE', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, NULL, NULL, NULL, '', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 4, 'STOPPING', '{"x":0.25}', 'w2', 1, 1001.0, 1001.0, NULL, NULL, NULL, '', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 5, 'REQUESTED', '{"x":1.0}', '', 0, 1001.0, NULL, NULL, NULL, NULL, '', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (1, 6, 'SUCCEEDED', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, 1002.0, 0.25, '[0,3.5,{"loss":0.25}]', '', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata) VALUES (3, 1, 'SUCCEEDED', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, 1002.0, 0.5, '[2,1.0,{"loss":0.5}]', '', '{}');
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time, objective, final_measurement, infeasible_reason, metadata, partial_objective) VALUES (3, 2, 'SUCCEEDED', '{"x":0.25}', 'w1', 1, 1001.0, 1001.0, 1002.0, NULL, '[1,1.0,{"loss":0.25}]', '', '{"stopping/reason":"rank 2 of 2"}', 0.25);
INSERT INTO measurements (study_key, number, attempt, step, tick, elapsed_seconds, metrics) VALUES (1, 1, 1, 1, 0, 10.0, '{"loss":"Infinity"}');
INSERT INTO measurements (study_key, number, attempt, step, tick, elapsed_seconds, metrics) VALUES (1, 1, 1, 2, 0, 20.0, '{"loss":0.5,"acc":"NaN"}');
INSERT INTO measurements (study_key, number, attempt, step, tick, elapsed_seconds, metrics) VALUES (1, 3, 1, 1, 0, 10.0, '{"loss":0.75}');
INSERT INTO measurements (study_key, number, attempt, step, tick, elapsed_seconds, metrics) VALUES (1, 4, 1, 0, 1500, 1.5, '{"loss":0.875}');
INSERT INTO operations (operation_id, study_key, client_id, trial_numbers, study_state, create_time) VALUES ('0000000f46280000000000000000000a', 1, 'w1', '[1,2,3]', 'ACTIVE', 1001.0);
INSERT INTO operations (operation_id, study_key, client_id, trial_numbers, study_state, create_time) VALUES ('0000000f46280000000000000000000b', 1, 'w2', '[4]', 'ACTIVE', 1001.0);
INSERT INTO events (study_key, number, time, kind, trial_number, detail, actor) VALUES (1, 1, 1001.0, 'STUDY_CREATED', NULL, '', 'client:w1');
INSERT INTO events (study_key, number, time, kind, trial_number, detail, actor) VALUES (1, 2, 1001.0, 'TRIAL_ACTIVE', 1, 'w1', 'client:w1');
INSERT INTO events (study_key, number, time, kind, trial_number, detail, actor) VALUES (1, NULL, 1001.0, 'TRIAL_INFEASIBLE', 2, 'out of memory', 'client:w1');
INSERT INTO events (study_key, number, time, kind, trial_number, detail, actor) VALUES (1, NULL, 1001.0, 'TRIAL_STOPPING', 4, '', 'client:w1');
INSERT INTO events (study_key, number, time, kind, trial_number, detail, actor) VALUES (3, NULL, 1001.0, 'TRIAL_STOPPING', 2, 'rank 2 of 2', 'server');
INSERT INTO requests (study_key, location, request_id, call, result, forget_time) VALUES (0, 'p/l', 'q9', 'create a study in projects/p/locations/l', '', 87401.0);
INSERT INTO requests (study_key, location, request_id, call, result, forget_time) VALUES (1, '', 'p', 'pause projects/p/locations/l/studies/s', '', 87401.0);
INSERT INTO requests (study_key, location, request_id, call, result, forget_time) VALUES (1, '', 'q1', 'suggest projects/p/locations/l/studies/s', 'operations/0000000f46280000000000000000000a', 87401.0);
INSERT INTO requests (study_key, location, request_id, call, result, forget_time) VALUES (1, '', 'r5', 'create a trial in projects/p/locations/l/studies/s', 'trials/5', NULL);
INSERT INTO artifacts (study_key, number, name, blob, attempt, size, sha256, create_time, discard_time) VALUES (1, 1, 'model.h5', 'b1', 1, 9, '00', 1001.0, NULL);
INSERT INTO artifacts (study_key, number, name, blob, attempt, size, sha256, create_time, discard_time) VALUES (1, 1, 'model.h5', 'b0', 1, 9, '00', 1001.0, 1001.0);
INSERT INTO curves (study_key, number, position, best, mean, count, is_first) VALUES (3, 1, 1, -0.75, -0.75, 1, 1);
INSERT INTO curves (study_key, number, position, best, mean, count, is_first) VALUES (3, 1, 2, -0.5, -0.5, 2, 0);
INSERT INTO curves (study_key, number, position, best, mean, count, is_first) VALUES (3, 2, 1, -0.25, -0.25, 1, 1);
INSERT INTO access ("key", version, secret) VALUES (1, 2, NULL);
INSERT INTO tokens (token_id, name, project, role, digest, key_id, create_time, creator, expire_time, use_time) VALUES ('t1', 'ci', 'p', 'worker', '00', 'k', 1000.0, 'operator', NULL, NULL);
INSERT INTO people (name, password, create_time, creator) VALUES ('ada', 'scrypt$00', 1000.0, 'operator');
INSERT INTO sessions (session_id, digest, key_id, owner, create_time, expire_time, use_time) VALUES ('s1', '00', 'k', 'person:ada', 1000.0, 2000.0, 1000.0);
