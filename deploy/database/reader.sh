# The database's container runs this once, when its volume is new and empty.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --set owner="$POSTGRES_USER" \
    --set password="$(cat /run/secrets/database_reader_password)" --file /run/reader.sql
