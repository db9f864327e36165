# shellcheck shell=bash
# PostgreSQL, two primaries and a streaming replica of each. The roles are in postgres/1-roles.sql. Durable: fsync stays on.
PG=15
IMAGE=postgres:$PG
BIN=/usr/lib/postgresql/$PG/bin
STOP_SIGNAL=INT # the fast shutdown: sessions end, a last checkpoint is made
PRIMARY=${ENGINE%-replica}

engine_version() { "$BIN/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/'; }

engine_install() { debian $BIN/postgres postgresql-$PG; }

# A replica that has its data starts alone; its first start copies the primary.
engine_needs() { [ "$ENGINE" = "$PRIMARY" ] || [ -d "$PLACE/data" ] || echo "$PRIMARY"; }

engine_start() {
  as_user "$(getent passwd postgres >/dev/null && echo postgres || echo nobody)"
  [ -d "$PLACE/data" ] || if [ "$ENGINE" = "$PRIMARY" ]; then make_primary; else make_replica; fi >"$DIR/make.log" 2>&1 ||
    failed make "$ENGINE cannot make its data"
  stale_lock
  launch "$1" "$BIN/postgres" -D "$PLACE/data" -p "$(port)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=100 -c shared_buffers=64MB -c wal_level=replica -c max_wal_size=512MB -c max_slot_wal_keep_size=2GB \
    -c wal_retrieve_retry_interval=500ms -c log_statement=none -c log_min_duration_statement=-1 -c log_checkpoints=off \
    -c "primary_conninfo=host=127.0.0.1 port=$(primary_port) user=replicator password=replicator application_name=$ENGINE"
}

primary_port() { (ENGINE=$PRIMARY && port); }

# make_primary fills a folder in single-user mode, so that it has the role and the database when it gets its name.
make_primary() {
  local new=$PLACE/data.new
  rm -rf "$new"
  echo postgres >"$PLACE/password"
  chmod 644 "$PLACE/password" # whatever the umask: initdb is another user
  "${AS[@]}" "$BIN/initdb" -D "$new" -U postgres --pwfile="$PLACE/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --lc-collate=C || return
  "${AS[@]}" "$BIN/postgres" --single -D "$new" postgres <"$HERE/engines.d/postgres/1-roles.sql" || return
  mv -T "$new" "$PLACE/data"
}

make_replica() {
  local new=$PLACE/data.new slot=${ENGINE//-/_}
  rm -rf "$new"
  PGPASSWORD=postgres timeout 60 psql -h 127.0.0.1 -p "$(primary_port)" -U postgres -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot' AND NOT active" || return
  PGPASSWORD=replicator "${AS[@]}" "$BIN/pg_basebackup" -h 127.0.0.1 -p "$(primary_port)" -U replicator -D "$new" -R -X stream -c fast -C -S "$slot" || return
  mv -T "$new" "$PLACE/data"
}

# stale_lock: after a SIGKILL the old pid stays in postmaster.pid. If it is some other process's by now, PostgreSQL would
# take that for a second server on the same data.
stale_lock() {
  local file=$PLACE/data/postmaster.pid pid
  [ -f "$file" ] && read -r pid <"$file" && [ -r "/proc/$pid/cmdline" ] || return 0
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$PLACE/data" || rm -f "$file"
}

ask() { PGPASSWORD=weir PGCONNECT_TIMEOUT=2 timeout 5 psql -h 127.0.0.1 -p "$(port)" -U weir -d weir -XAtc "$1"; }

# A replica is ready when it answers and, if its primary is up, when it follows it.
engine_ready() {
  if [ "$ENGINE" = "$PRIMARY" ]; then
    [ "$(ask 'SELECT 1')" = 1 ]
  elif (DIR=$DATA/$PRIMARY && any_alive); then
    [ "$(ask "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")" = 1 ]
  else
    [ "$(ask 'SELECT pg_is_in_recovery()')" = t ]
  fi
}

engine_url() { echo "postgres://weir:weir@127.0.0.1:$(port)/weir?sslmode=disable"; }
