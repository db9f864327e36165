# shellcheck shell=bash
# Ports of engines, and small questions asked there.

# port [WHAT] prints the engine's port: the environment's, else the remembered one, else a free one, then remembered.
port() {
  local key=$ENGINE${1:+.$1} given old
  if [ -n "$COMPOSE" ]; then
    compose_port "$key"
    return
  fi
  given=WEIR_PORT_$(upper "$key")
  given=${!given:-}
  old=$(awk -v key="$key" '$1 == key { print $2 }' "$DATA/ports" 2>/dev/null) || true
  if [ -n "$old" ] && { [ -z "$given" ] || [ "$given" = "$old" ]; }; then
    echo "$old"
    return
  fi
  (
    flock 8
    [ -n "$given" ] || given=$(free_port)
    { [ ! -f "$DATA/ports" ] || awk -v key="$key" '$1 != key' "$DATA/ports"; echo "$key $given"; } >"$DATA/ports.new"
    mv "$DATA/ports.new" "$DATA/ports"
    echo "$given"
  ) 8>"$DATA/ports.lock"
}

# ask_port PORT REQUEST N sends bytes (printf's escapes) and prints the first N of the answer in hex.
ask_port() {
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && head -c "$3" <&3 | od -An -tx1 | tr -d " \n"' ask "$@"
}

# mongo_pings PORT: a server of MongoDB's protocol answers an OP_MSG {ping: 1, $db: "admin"}, our request 7.
mongo_pings() {
  local message='\x33\0\0\0\x07\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1e\0\0\0\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0'
  [[ $(ask_port "$1" "$message" 12) == ????????????????07000000 ]]
}

# part_port N prints the port that part N answers at.
part_port() { if [ ${#PARTS[@]} -eq 1 ]; then port; else port "$1"; fi; }

# free_port finds one nobody listens on and no engine remembers, below the range that outgoing connections take theirs from.
free_port() {
  local p hex i
  for ((i = 0; i < 1000; i++)); do
    p=$((20000 + RANDOM % 12000))
    printf -v hex ':%04X ' "$p"
    grep -q "$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null && continue
    grep -q " $p\$" "$DATA/ports" 2>/dev/null && continue
    echo "$p"
    return
  done
  die "no free port between 20000 and 32000"
}

# compose_port KEY prints the fixed port that scripts/compose.yaml publishes.
compose_port() {
  case $1 in
    postgres) echo 5432 ;;
    postgres-replica) echo 5433 ;;
    postgres2) echo 5442 ;;
    postgres2-replica) echo 5443 ;;
    redis) echo 6379 ;;
    redis-cluster.[123]) echo "700${1#*.}" ;;
    minio) echo 9000 ;;
    versitygw) echo 7070 ;;
    kafka) echo 9092 ;;
    kafka3.[123]) echo "919${1#*.}" ;;
    consul) echo 8500 ;;
    nginx) echo 8088 ;;
    cassandra) echo 9042 ;;
    opensearch) echo 9200 ;;
    elasticsearch) echo 9201 ;;
    *) return 1 ;;
  esac
}

# listens PORT: somebody accepts connections there.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# freed PORT waits until nobody accepts connections there: the last thread of a process killed just now still may.
freed() {
  local i
  for i in {1..200}; do
    listens "$1" || return 0
    sleep 0.05
  done
  return 1
}

# bucket PORT makes the bucket of an S3 server, if it is not there, by one signed request.
bucket() {
  local code
  code=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' -X PUT --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$S3_KEY:$S3_SECRET" \
    -H "x-amz-content-sha256: $EMPTY_SHA256" "http://127.0.0.1:$1/$S3_BUCKET")
  case $code in 200 | 409) ;; *) die "$ENGINE answers $code to the making of the bucket $S3_BUCKET" ;; esac
}
