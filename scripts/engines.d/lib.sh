# shellcheck shell=bash disable=SC2034
# What the engines share: processes, ports, locks, the cache, Debian packages.
#
# An engine is a file NAME.sh here, loaded in a subshell of its own with ENGINE and DIR (its data folder) set. It sets
#   VARIABLE          the environment variable its URL goes into
#   PARTS             its processes' names, (1) if it is one process
#   WAIT              how long a start may take, seconds
# and defines
#   engine_version    prints the version
#   engine_install    downloads or builds what is missing
#   engine_start N    starts part N by `launch N COMMAND...`; everything before that is quick and may run again
#   engine_ready      true when all parts answer
#   engine_prepare    makes what tests expect to be there (a bucket, a cluster); runs after each start (optional)
#   engine_url        prints the URL
#   engine_needs      prints the engines that must be up before (optional)

S3_KEY=weir-test S3_SECRET=weir-test-secret S3_REGION=us-east-1 S3_BUCKET=weir-test
EMPTY_SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
COMPOSE= # set while the URLs of scripts/compose.yaml are printed

say() { echo "$*" >&2; }
die() {
  say "engines: $*"
  exit 1
}

load() {
  ENGINE=$1 DIR=$DATA/$1 PARTS=(1) WAIT=60 STOP_SIGNAL=TERM AS=()
  VARIABLE=WEIR_TEST_$(upper "$1")
  engine_prepare() { :; }
  engine_needs() { :; }
  case $1 in
    postgres*) . "$HERE/engines.d/postgres.sh" ;;
    kafka*) . "$HERE/engines.d/kafka.sh" ;;
    *) . "$HERE/engines.d/$1.sh" ;;
  esac
}

upper() {
  local s=${1^^}
  echo "${s//[-.]/_}"
}

# lock waits for the engine's turn: one command at a time works on an engine. The lock ends with this subshell.
lock() {
  mkdir -p "$DIR"
  exec 9>"$DIR/lock"
  flock -w 900 9 || die "another command has worked on $ENGINE for 15 minutes"
}

# ---- processes ----------------------------------------------------------------------------------------------------------

# stat_of PID prints /proc's state, parent, group, session, ..., start time (the 20th): what stands behind the name.
stat_of() {
  local s
  { s=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  echo "${s##*) }"
}

session_of() {
  local -a f
  read -ra f < <(stat_of "$1") && echo "${f[3]}"
}

# pid_of PART prints the pid of a part that runs. A pid file names the start time too: a recycled pid is somebody else.
pid_of() {
  local pid start
  local -a f
  { read -r pid start <"$DIR/$1.pid"; } 2>/dev/null || return 1
  read -ra f < <(stat_of "$pid") || return 1
  [ "${f[19]}" = "$start" ] && [ "${f[0]}" != Z ] && echo "$pid"
}

any_alive() {
  local part
  for part in "${PARTS[@]}"; do pid_of "$part" >/dev/null && return 0; done
  return 1
}

paused() {
  local -a f
  read -ra f < <(stat_of "$1") && [ "${f[0]}" = T ]
}

# tree PID prints a process and all below it, parents first.
tree() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
    { pid = $1; sub(/.*\) /, ""); n++; pids[n] = pid; parent[pid] = $2 }
    END {
      found[root] = 1; print root
      do {
        more = 0
        for (i = 1; i <= n; i++) if (!(pids[i] in found) && (parent[pids[i]] in found)) { found[pids[i]] = 1; print pids[i]; more = 1 }
      } while (more)
    }'
}

# launch PART COMMAND... starts a server in a session of its own, with the log as its output and no other file open, so
# that it outlives this script and holds neither its lock nor the caller's pipe. The pid is written down before the
# server runs: an interrupt cannot lose it.
launch() {
  local part=$1 log=$DIR/$1.log
  shift
  if [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt 20000000 ]; then mv "$log" "$log.1"; fi
  rm -f "$DIR/$part.pid"
  (
    exec </dev/null >>"$log" 2>&1
    local -a f
    local fd me=$BASHPID
    read -ra f < <(stat_of "$me")
    echo "$me ${f[19]}" >"$DIR/$part.pid.new"
    mv "$DIR/$part.pid.new" "$DIR/$part.pid"
    for fd in /proc/"$me"/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    cd "$DIR"
    exec setsid "${AS[@]}" "$@"
  ) &
  until [ -f "$DIR/$part.pid" ]; do sleep 0.01; done
}

# until_ready waits for the engine, and shows the log's end if it dies or takes too long.
until_ready() {
  local part deadline=$((SECONDS + WAIT))
  until engine_ready >"$DIR/ready.log" 2>&1; do
    for part in "${PARTS[@]}"; do
      pid_of "$part" >/dev/null || failed "$part" "$ENGINE stopped while it started"
    done
    [ $SECONDS -lt $deadline ] || failed "${PARTS[0]}" "$ENGINE was not ready within $WAIT s"
    sleep 0.1
  done
}

failed() {
  say "engines: $2. The end of $DIR/$1.log:"
  tail -n 25 "$DIR/$1.log" >&2 || true
  exit 1
}

up_one() {
  local need part pid began=${EPOCHREALTIME/./} took
  local -a started=()
  load "$1"
  lock
  for need in $(engine_needs); do (up_one "$need"); done
  engine_install
  for part in "${PARTS[@]}"; do
    if pid=$(pid_of "$part"); then
      if paused "$pid"; then signal_tree CONT "$pid"; fi
    else
      if listens "$(part_port "$part")"; then
        die "port $(part_port "$part") of $ENGINE is taken by another process: stop it, or set WEIR_PORT_$(upper "$ENGINE")"
      fi
      engine_start "$part"
      started+=("$part")
    fi
  done
  until_ready
  if [ ${#started[@]} -eq 0 ]; then
    echo "$ENGINE $(engine_version) is up"
    return
  fi
  engine_prepare
  took=$(((${EPOCHREALTIME/./} - began) / 100000))
  echo "$ENGINE $(engine_version) up in $((took / 10)).$((took % 10)) s"
}

down_one() {
  local part pid deadline
  load "$1"
  lock
  any_alive || return 0
  for part in "${PARTS[@]}"; do
    pid=$(pid_of "$part") || continue
    if paused "$pid"; then signal_tree CONT "$pid"; fi
    kill "-$STOP_SIGNAL" "$pid" 2>/dev/null || true
  done
  deadline=$((SECONDS + 20))
  while any_alive && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
  if any_alive; then
    say "engines: $ENGINE did not stop within 20 s and was killed"
    signal_parts kill ""
  fi
  rm -f "$DIR"/*.pid
  echo "$ENGINE down"
}

wipe_one() {
  load "$1"
  lock
  find "$DIR" -mindepth 1 -delete
  echo "$ENGINE wiped"
}

# signal_tree SIGNAL PID signals a process and all below it. A stopped parent forks no more, so the second look sees all.
signal_tree() {
  local pid
  for pid in $(tree "$2"); do kill "-$1" "$pid" 2>/dev/null || true; done
  if [ "$1" = STOP ]; then
    for pid in $(tree "$2"); do kill -STOP "$pid" 2>/dev/null || true; done
  fi
}

# signal_parts kill|pause|resume PART ("" is all parts)
signal_parts() {
  local part pid p any=
  local -a all=()
  for part in "${PARTS[@]}"; do
    [ -z "$2" ] || [ "$2" = "$part" ] || continue
    pid=$(pid_of "$part") || continue
    any=1
    case $1 in
      resume) signal_tree CONT "$pid" ;;
      *) signal_tree STOP "$pid" ;;
    esac
    [ "$1" != kill ] || mapfile -t -O ${#all[@]} all < <(tree "$pid")
  done
  [ -n "$any" ] || die "$ENGINE${2:+/$2} is not up, so there is nothing to $1: scripts/engines up $ENGINE"
  [ "$1" = kill ] || return 0
  for p in "${all[@]}"; do kill -KILL "$p" 2>/dev/null || true; done
  for p in "${all[@]}"; do gone "$p"; done
}

# gone waits until a killed process has left.
gone() {
  local s i
  for ((i = 0; i < 200; i++)); do
    s=$(stat_of "$1") || return 0
    [ "${s%% *}" != Z ] || return 0
    sleep 0.05
  done
  die "process $1 of $ENGINE did not end within 10 s of SIGKILL"
}

# as_user NAME makes launch and asuser run as NAME when this script is root: some servers refuse to be root.
as_user() {
  [ "$(id -u)" -eq 0 ] || return 0
  AS=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --init-groups)
  install -d "$DIR"
  chown "$1" "$DIR"
  "${AS[@]}" test -x "$DIR" || die "$ENGINE runs as the user $1, who cannot enter $DIR: set WEIR_ENGINES_DATA to a folder that all may enter, such as /var/tmp/weir-engines"
}

status_line() {
  local part pid p state=down kb=0 n=0 stopped=0 ports
  local -a pids=()
  for part in "${PARTS[@]}"; do
    pid=$(pid_of "$part") || continue
    n=$((n + 1))
    pids+=("$pid")
    if paused "$pid"; then stopped=$((stopped + 1)); fi
    for p in $(tree "$pid"); do kb=$((kb + $(memory "$p"))); done
  done
  if [ $stopped -gt 0 ]; then state=paused; elif [ $n -eq ${#PARTS[@]} ]; then state=up; elif [ $n -gt 0 ]; then state=partly; fi
  ports=$(awk -v name="$ENGINE" '$1 == name || $1 ~ "^" name "[.][0-9]+$" { printf "%s%s", sep, $2; sep = "," }' "$DATA/ports" 2>/dev/null || true)
  printf '%-18s %-8s %-36s %-26s %5d MB  %s\n' "$ENGINE" $state "$(engine_version 2>/dev/null || echo 'not installed')" "${ports:--}" $((kb / 1024)) "${pids[*]}"
}

# memory PID prints its proportional set (shared pages divided among those who share them), kB.
memory() { awk '/^Pss:/ { kb = $2 } END { print kb + 0 }' "/proc/$1/smaps_rollup" 2>/dev/null || echo 0; }

show_logs() {
  local part
  local -a files=()
  for part in "${PARTS[@]}"; do [ ! -f "$DIR/$part.log" ] || files+=("$DIR/$part.log"); done
  [ ${#files[@]} -gt 0 ] || die "$ENGINE has no log yet: it was never started with data in $DATA"
  if [ "$1" = -f ]; then exec tail -n 50 -f "${files[@]}"; fi
  tail -n 200 "${files[@]}"
}

# ---- ports --------------------------------------------------------------------------------------------------------------

# port [WHAT] prints the engine's port: the environment's, else the remembered one, else a free one, then remembered.
port() {
  local key=$ENGINE${1:+.$1} given known
  if [ -n "$COMPOSE" ]; then
    compose_port "$key"
    return
  fi
  given=WEIR_PORT_$(upper "$key")
  given=${!given:-}
  known=$(awk -v key="$key" '$1 == key { print $2 }' "$DATA/ports" 2>/dev/null) || true
  if [ -n "$known" ] && { [ -z "$given" ] || [ "$given" = "$known" ]; }; then
    echo "$known"
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
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf "$2" >&3
    timeout 3 head -c "$3" <&3 | od -An -tx1 | tr -d ' \n'
  )
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
    mongo) echo 27017 ;;
    *) return 1 ;;
  esac
}

# listens PORT: somebody accepts connections there.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ---- downloads and builds -----------------------------------------------------------------------------------------------

# cached NAME-VERSION BUILDER... prints nothing and makes $CACHE/NAME-VERSION once: BUILDER fills a folder, which gets its
# name when it is whole. One build at a time: they take the whole machine anyway.
cached() {
  local name=$1 dir=$CACHE/$1 tmp=$CACHE/.new-$1
  shift
  [ ! -d "$dir" ] || return 0
  mkdir -p "$CACHE"
  (
    flock -w 3600 7 || die "another build has run for an hour"
    [ ! -d "$dir" ] || exit 0
    say "$ENGINE: building $name, once ..."
    rm -rf "$tmp"
    mkdir -p "$tmp"
    "$@" "$tmp" 9>&- >"$CACHE/$name.log" 2>&1 7>&- || {
      say "engines: cannot build $name. The end of $CACHE/$name.log:"
      tail -n 15 "$CACHE/$name.log" >&2
      exit 1
    }
    mv -T "$tmp" "$dir"
  ) 7>"$CACHE/.lock"
}

# go_install PACKAGE@VERSION DIR builds a Go command into DIR/bin, outside of this module.
go_install() {
  command -v go >/dev/null || { echo "$ENGINE is built from source and wants go in PATH: https://go.dev/dl"; return 1; }
  mkdir -p "$2/bin"
  (cd "$2" && GOBIN=$2/bin GOFLAGS=-mod=mod GOWORK=off go install "$1")
}

# java_home prints a JDK 17.
java_home() {
  local d
  for d in "${WEIR_JAVA_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/java-17-* /usr/lib/jvm/*17* "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")"; do
    [ -x "$d/bin/java" ] && [[ $("$d/bin/java" -version 2>&1) == *'version "17'* ]] && echo "$d" && return
  done
  die "$ENGINE wants a JDK 17: apt-get install openjdk-17-jdk-headless, or set WEIR_JAVA_HOME"
}

# maven_jars GROUP:ARTIFACT:VERSION... DIR copies the jars and all they need into DIR/lib.
maven_jars() {
  local dir=${*: -1} c g a v
  command -v mvn >/dev/null || { echo "$ENGINE comes from Maven Central and wants mvn: apt-get install maven openjdk-17-jdk-headless"; return 1; }
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    for c in "${@:1:$#-1}"; do
      IFS=: read -r g a v <<<"$c"
      echo "<dependency><groupId>$g</groupId><artifactId>$a</artifactId><version>$v</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$dir/pom.xml"
  (cd "$dir" && JAVA_HOME=$(java_home) mvn -B -ntp -q dependency:copy-dependencies "-DoutputDirectory=$dir/lib")
}

# java_main NAME JARS SOURCE... DIR compiles classes into DIR/NAME.jar.
java_main() {
  local name=$1 jars=$2 dir=${*: -1}
  mkdir "$dir/classes"
  "$(java_home)/bin/javac" --release 17 -nowarn -proc:none -cp "$jars" -d "$dir/classes" "${@:3:$#-3}"
  "$(java_home)/bin/jar" --create --file "$dir/$name.jar" -C "$dir/classes" .
  rm -r "$dir/classes"
}

# digest FILES prints a short name of what is in them: what is built from our own files is cached by it.
digest() { cat "$@" | sha256sum | head -c 12; }

# debian COMMAND PACKAGE installs a package when the command is missing, without its system service.
debian() {
  local -a sudo=()
  [ ! -x "$1" ] || return 0
  command -v apt-get >/dev/null || die "$ENGINE wants $1, and this is no Debian: install it by hand"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "$ENGINE wants the package $2: apt-get install $2 (as root)"
    sudo=(sudo)
  fi
  mkdir -p "$CACHE"
  (
    flock -w 3600 7
    [ ! -x "$1" ] || exit 0
    say "$ENGINE: installing the Debian package $2 ..."
    "${sudo[@]}" "$HERE/engines.d/apt-install" "$2" 7>&- 9>&- >"$CACHE/apt.log" 2>&1 || {
      tail -n 10 "$CACHE/apt.log" >&2
      die "cannot install $2"
    }
  ) 7>"$CACHE/.lock"
}

# bucket PORT makes the bucket of an S3 server, if it is not there, by one signed request.
bucket() {
  local code
  code=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' -X PUT --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$S3_KEY:$S3_SECRET" \
    -H "x-amz-content-sha256: $EMPTY_SHA256" "http://127.0.0.1:$1/$S3_BUCKET")
  case $code in 200 | 409) ;; *) die "$ENGINE answers $code to the making of the bucket $S3_BUCKET" ;; esac
}
