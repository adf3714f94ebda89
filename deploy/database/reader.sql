-- Create a role that reads the gallery and writes nothing, for the identification services. Run this once in the gallery's
-- database, as a user who may create roles. `owner` is the user that migrates and enrols:
--   psql "$URL" --set owner=medreid --set password="..." --file deploy/database/reader.sql
CREATE ROLE medreid_reader LOGIN PASSWORD :'password';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO medreid_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO medreid_reader; -- also for tables of later versions
