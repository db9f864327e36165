#!/bin/bash
# For the containers of scripts/compose.yaml: copies the primary $PRIMARY once, then follows it.
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  slot=${PRIMARY}_replica
  export PGPASSWORD=postgres
  psql -h "$PRIMARY" -U postgres -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot' AND NOT active"
  export PGPASSWORD=replicator
  gosu postgres pg_basebackup -h "$PRIMARY" -U replicator -D "$PGDATA" -R -X stream -c fast -C -S "$slot"
fi
exec docker-entrypoint.sh postgres
