-- A role that reads the gallery and writes nothing: all that services of a modality need. Once, in the gallery's database, as
-- somebody who may create roles; `owner` is whoever migrates and enrols:
--   psql "$URL" --set owner=medreid --set password="..." --file deploy/database/reader.sql
CREATE ROLE medreid_reader LOGIN PASSWORD :'password';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO medreid_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO medreid_reader; -- of models to come
