# shellcheck shell=bash
# Processes of engines: started apart from this script, found again by pid file, stopped, paused, killed, shown.

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
    cd "$PLACE" || exit
    exec setsid "${AS[@]}" "$@"
  ) &
  until [ -f "$DIR/$part.pid" ]; do
    kill -0 $! 2>/dev/null || [ -f "$DIR/$part.pid" ] || failed "$part" "$ENGINE cannot be started"
    sleep 0.01
  done
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
  for part in "${PARTS[@]}"; do
    pid_of "$part" >/dev/null || failed "$part" "$ENGINE stopped when it was ready"
  done
}

# failed PART SENTENCE ends with the sentence and the end of the part's log.
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
  command -v curl >/dev/null || debian /usr/bin/curl curl # asks whether servers are ready
  engine_install
  for part in "${PARTS[@]}"; do
    if pid=$(pid_of "$part"); then
      if paused "$pid"; then signal_tree CONT "$pid"; fi
    else
      if ! freed "$(part_port "$part")"; then
        die "port $(part_port "$part") of $ENGINE is taken by another process: stop it, or set WEIR_PORT_$(upper "$ENGINE")"
      fi
      engine_start "$part"
      started+=("$part")
    fi
  done
  until_ready
  engine_prepare # also when nothing was started: the command that did may have been interrupted
  if [ ${#started[@]} -eq 0 ]; then
    echo "$ENGINE $(engine_version) is up"
    return
  fi
  took=$(((${EPOCHREALTIME/./} - began) / 100000))
  echo "$ENGINE $(engine_version) up in $((took / 10)).$((took % 10)) s"
}

# down_one waits for child processes too: a server's port is free when the last of them has left.
down_one() {
  local part pid p
  local -a all=()
  load "$1"
  lock
  any_alive || return 0
  for part in "${PARTS[@]}"; do
    pid=$(pid_of "$part") || continue
    mapfile -t -O ${#all[@]} all < <(tree "$pid")
    if paused "$pid"; then signal_tree CONT "$pid"; fi
    kill "-$STOP_SIGNAL" "$pid" 2>/dev/null || true
  done
  for p in "${all[@]}"; do gone "$p" 60 || break; done
  for p in "${all[@]}"; do
    gone "$p" 0 && continue
    say "engines: $ENGINE did not stop within 60 s and is killed"
    kill -KILL "$p" 2>/dev/null || true
    gone "$p" 30 || die "process $p of $ENGINE does not end"
  done
  rm -f "$DIR"/*.pid
  echo "$ENGINE down"
}

install_one() {
  load "$1"
  engine_install
  echo "$ENGINE $(engine_version) is installed"
}

wipe_one() {
  load "$1"
  lock
  if [ "$PLACE" != "$DIR" ]; then
    rm -rf "$PLACE"
    rmdir --ignore-fail-on-non-empty "${PLACE%/*}"
  fi
  find "$DIR" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
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
  for p in "${all[@]}"; do gone "$p" 30 || die "process $p of $ENGINE does not end"; done
}

# gone PID SECONDS waits until a process has left; a zombie has.
gone() {
  local state deadline=$((SECONDS + $2))
  while state=$(stat_of "$1"); do
    [ "${state%% *}" != Z ] || return 0
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.05
  done
}

# as_user NAME makes launch run the server as NAME if this script is root: some servers refuse to be root. A folder that NAME
# cannot enter, such as one below root's, is not for its data, which then is elsewhere; the file "elsewhere" remembers that.
as_user() {
  [ "$(id -u)" -eq 0 ] || return 0
  AS=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --init-groups)
  if [ "$PLACE" = "$DIR" ] && ! may_enter "$1"; then
    [ ! -d "$DIR/data" ] || die "$ENGINE runs as the user $1, who cannot enter $DIR any more"
    PLACE=$(elsewhere)
    own_folder "${PLACE%/*}"
    rm -rf "$PLACE" # of a data folder that is gone
    echo "$PLACE" >"$DIR/elsewhere"
    say "$ENGINE runs as the user $1, who cannot enter $DIR: its data is in $PLACE"
  fi
  if [ "$PLACE" != "$DIR" ]; then
    own_folder "${PLACE%/*}"
    mkdir -p -m 755 "$PLACE"
    may_enter "$1" || die "$ENGINE runs as the user $1, who cannot enter $PLACE: set WEIR_ENGINES_DATA to a folder that all may enter"
  fi
  cd "$PLACE" # some programs want to be able to enter the folder that they are started in
}

may_enter() {
  chown "$1" "$PLACE"
  "${AS[@]}" test -x "$PLACE"
}

elsewhere() { echo "/var/tmp/weir-engines-$(digest <(echo "$DATA"))/$ENGINE"; }

# own_folder DIR makes a folder where everybody may, and refuses one that somebody else made there.
own_folder() {
  mkdir -m 755 "$1" 2>/dev/null || { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; } || die "$1 is not ours: remove it"
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
