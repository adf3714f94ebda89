-- A role that reads the gallery and writes nothing: all that services of a modality need. Once, as the owner of the database:
--   psql "$URL" --set password="..." --file deploy/database/reader.sql
CREATE ROLE medreid_reader LOGIN PASSWORD :'password';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO medreid_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO medreid_reader; -- every new model has a table
