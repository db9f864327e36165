#!/bin/sh
# For the container of scripts/compose.yaml: replicas come from other containers.
set -e
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
