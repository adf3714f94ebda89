"""Partition templates by modality and model digest (a "space"), with an approximate index and counts for each one.

A space is a partition of `templates`, created with its first template. So each index holds only templates that are
compared with each other. The partitioned table has the same columns, so statements of the previous version still work.

A trigger keeps the counts. A tally is one part of a space's count: each transaction adds to a tally that no other
transaction holds, or inserts a new one. So writers never wait for each other, and a count is the sum of few rows.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = (
    "image_id, patient_key, modality, model_digest, embedding, local, quality, reference, acquired_at, enrolled_at"
)
TABLES = (
    """
    CREATE TABLE spaces (
        space integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        modality text NOT NULL,
        model_digest text NOT NULL,
        UNIQUE (modality, model_digest)
    )
    """,
    # a fill factor of 50 leaves room to update rows in their page
    """
    CREATE TABLE tallies (
        tally bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        space integer NOT NULL REFERENCES spaces,
        patients bigint NOT NULL,
        images bigint NOT NULL
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX tallies_of_a_space ON tallies (space)",
    "ALTER TABLE templates RENAME TO templates_before",
    """
    CREATE TABLE templates (
        image_id text COLLATE "C" NOT NULL,
        patient_key uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
        modality text NOT NULL,
        model_digest text NOT NULL,
        embedding vector(256) NOT NULL,
        local bytea,
        quality real NOT NULL,
        reference text,
        acquired_at timestamptz,
        enrolled_at timestamptz NOT NULL DEFAULT now()
    ) PARTITION BY LIST (modality)
    """,
    # Embeddings stay in the row. Keypoints, which do not compress, are stored outside, so that scans skip them.
    "ALTER TABLE templates ALTER embedding SET STORAGE PLAIN, ALTER local SET STORAGE EXTERNAL",
)
OPEN_SPACE = """
CREATE FUNCTION open_space(wanted_modality text, wanted_digest text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    opened integer;
    of_modality text := 'templates_of_' || wanted_modality;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('open_space'));
    INSERT INTO spaces (modality, model_digest) VALUES (wanted_modality, wanted_digest)
        ON CONFLICT DO NOTHING RETURNING space INTO opened;
    IF opened IS NOT NULL THEN
        IF to_regclass(quote_ident(of_modality)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF templates FOR VALUES IN (%L) PARTITION BY LIST (model_digest)',
                of_modality, wanted_modality);
        END IF;
        EXECUTE format('CREATE TABLE templates_%s PARTITION OF %I (PRIMARY KEY (image_id)) FOR VALUES IN (%L)'
            ' WITH (autovacuum_vacuum_scale_factor = 0.01)', opened, of_modality, wanted_digest);
        EXECUTE format('COMMENT ON TABLE templates_%s IS %L', opened, wanted_modality || ', ' || wanted_digest);
    END IF;
    RETURN opened;
END $$
"""
# The search needs this indexed expression. Operators may change m and ef_construction (docs/how-to/scale.md). The
# function also recreates an index that was dropped to load very many templates.
INDEX_SPACE = """
CREATE FUNCTION index_space(opened integer) RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS templates_%1$s_of_a_patient ON templates_%1$s (patient_key)', opened);
    EXECUTE format('CREATE INDEX IF NOT EXISTS templates_%1$s_nearest ON templates_%1$s'
        ' USING hnsw ((embedding::halfvec(256)) halfvec_ip_ops) WITH (m = 24, ef_construction = 100)', opened);
END $$
"""
# The count of patients changes with a patient's first image and with the last one. The row lock makes transactions take
# turns for each patient, so that each one sees what the previous one has committed.
TALLY_TEMPLATES = """
CREATE FUNCTION tally_templates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    direction integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    change record;
    free bigint;
BEGIN
    PERFORM FROM patients WHERE patient_key IN (SELECT patient_key FROM changed)
        ORDER BY patient_key FOR NO KEY UPDATE;
    FOR change IN
        SELECT space, sum(images) AS images, count(*) FILTER (WHERE images * greatest(direction, 0) = (
            SELECT count(*) FROM templates t
            WHERE t.modality = own.modality AND t.model_digest = own.model_digest AND t.patient_key = own.patient_key
        )) AS patients
        FROM (
            SELECT modality, model_digest, patient_key, count(*) AS images FROM changed GROUP BY 1, 2, 3
        ) own JOIN spaces USING (modality, model_digest)
        GROUP BY space
    LOOP
        SELECT tally INTO free FROM tallies WHERE space = change.space LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE tallies SET patients = patients + direction * change.patients,
                images = images + direction * change.images WHERE tally = free;
        ELSE
            INSERT INTO tallies (space, patients, images)
                VALUES (change.space, direction * change.patients, direction * change.images);
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""
FORGET_TALLIES = """
CREATE FUNCTION forget_tallies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tallies;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    """
    CREATE TRIGGER tally_enrolled AFTER INSERT ON templates REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION tally_templates()
    """,
    """
    CREATE TRIGGER tally_erased AFTER DELETE ON templates REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION tally_templates()
    """,
    "CREATE TRIGGER tally_none AFTER TRUNCATE ON templates FOR EACH STATEMENT EXECUTE FUNCTION forget_tallies()",
)
# Indexes come last: to index a filled table is many times faster than to index row by row.
MOVE = (
    "SELECT open_space(modality, model_digest) FROM (SELECT DISTINCT modality, model_digest FROM templates_before) s",
    f"INSERT INTO templates ({COLUMNS}) SELECT {COLUMNS} FROM templates_before",  # noqa: S608 - a constant
    "SELECT index_space(space) FROM spaces",
    """
    INSERT INTO tallies (space, patients, images)
    SELECT space, count(DISTINCT patient_key), count(*) FROM templates JOIN spaces USING (modality, model_digest)
    GROUP BY space
    """,
    "DROP TABLE templates_before",
)


def upgrade() -> None:
    """Create the spaces and move all templates into them."""
    for statement in (*TABLES, OPEN_SPACE, INDEX_SPACE, *MOVE, TALLY_TEMPLATES, FORGET_TALLIES, *TRIGGERS):
        op.execute(statement)
