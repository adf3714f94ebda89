"""Create tables for patients, templates, idempotency claims, API keys, audit events and erasures."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    # patient_key is random. Rows that survive an erasure refer to it; after the erasure it identifies no patient.
    """
    CREATE TABLE patients (
        patient_key uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        patient_id text COLLATE "C" NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE templates (
        image_id text COLLATE "C" PRIMARY KEY,
        patient_key uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
        modality text NOT NULL,
        model_digest text NOT NULL,
        embedding vector(256) NOT NULL,
        local bytea,
        quality real NOT NULL,
        reference text,
        acquired_at timestamptz,
        enrolled_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # includes patient_key, so that counting reads only the index
    "CREATE INDEX templates_searched_together ON templates (modality, model_digest, patient_key)",
    "CREATE INDEX templates_of_a_patient ON templates (patient_key)",
    """
    CREATE TABLE idempotency (
        caller text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        patient_key uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
        image_ids text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (caller, key)
    )
    """,
    "CREATE INDEX idempotency_of_a_patient ON idempotency (patient_key)",
    "CREATE INDEX idempotency_by_age ON idempotency (created_at)",
    """
    CREATE TABLE api_keys (
        key_id text COLLATE "C" PRIMARY KEY,
        name text NOT NULL,
        hash bytea NOT NULL UNIQUE,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
    )
    """,
    """
    CREATE TABLE audit_events (
        event_id text COLLATE "C" PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        request_id text NOT NULL,
        caller text NOT NULL,
        action text NOT NULL,
        outcome text NOT NULL,
        modality text,
        model_digest text,
        confidence real,
        patient_key uuid
    )
    """,
    "CREATE INDEX audit_events_by_time ON audit_events (at)",
    """
    CREATE TABLE erasures (
        receipt_id text COLLATE "C" PRIMARY KEY,
        images_erased integer NOT NULL,
        erased_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    """Create all tables and indexes."""
    for statement in TABLES:
        op.execute(statement)
