CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'replicator';
CREATE ROLE weir LOGIN CREATEDB PASSWORD 'weir';
GRANT pg_signal_backend, pg_monitor TO weir;
CREATE DATABASE weir OWNER weir;
