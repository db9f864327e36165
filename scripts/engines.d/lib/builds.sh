# shellcheck shell=bash
# Downloads, builds and packages. All that is fetched is kept by exact version in the cache.

# cached NAME-VERSION BUILDER... makes $CACHE/NAME-VERSION once: BUILDER fills a folder, which gets its name when it is whole.
# One build at a time: each takes the whole machine anyway. The builder is a process of its own, so that the first step that
# goes wrong ends it wherever it was called from.
cached() {
  local name=$1 dir=$CACHE/$1 tmp=$CACHE/.new-$1
  shift
  [ ! -d "$dir" ] || return 0
  mkdir -p "$CACHE"
  (
    flock -w 3600 7 || die "another build has run for an hour"
    [ ! -d "$dir" ] || exit 0
    say "$ENGINE: building $name, once ..."
    # Twice: the network may have failed for a moment, and what came through is kept by go and mvn.
    build_into "$tmp" "$CACHE/$name.log" "$@" || build_into "$tmp" "$CACHE/$name.log" "$@" || {
      say "engines: cannot build $name. The end of $CACHE/$name.log:"
      tail -n 15 "$CACHE/$name.log" >&2
      exit 1
    }
    mv -T "$tmp" "$dir"
  ) 7>"$CACHE/.lock"
}

# build_into DIR LOG BUILDER...
build_into() {
  rm -rf "$1"
  mkdir -p "$1"
  "$SELF" build "$ENGINE" "${@:3}" "$1" >"$2" 2>&1 7>&- 9>&-
}

# go_install PACKAGE@VERSION DIR builds a Go command into DIR/bin, outside of this module.
go_install() {
  need_go
  mkdir -p "$2/bin"
  (cd "$2" && GOBIN=$2/bin GOFLAGS=-mod=mod GOWORK=off go install "$1")
}

# need_java finds a JDK 17, or installs it, and says so in JAVA_HOME. It is called before `cached`, not only by a builder.
need_java() {
  find_java || { debian /usr/lib/jvm/java-17-openjdk/bin/javac openjdk-17-jdk-headless && find_java; } ||
    die "$ENGINE wants a JDK 17: apt-get install openjdk-17-jdk-headless, or set WEIR_JAVA_HOME"
}

find_java() {
  local d found
  found=$(readlink -f "$(command -v java)") || true
  for d in "${WEIR_JAVA_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/java-17-* "${found%/bin/java}"; do
    if [ -n "$d" ] && [ -x "$d/bin/javac" ] && [[ $("$d/bin/java" -version 2>&1) == *'version "17'* ]]; then
      export JAVA_HOME=$d
      return
    fi
  done
  return 1
}

# need_maven NAME-VERSION installs Maven if the cache lacks that. It is called before `cached`, whose lock it takes.
need_maven() { [ -d "$CACHE/$1" ] || command -v mvn >/dev/null || debian /usr/bin/mvn maven; }

need_go() {
  command -v go >/dev/null || die "$ENGINE is built from source and wants go in PATH: https://go.dev/dl"
}

# maven_jars GROUP:ARTIFACT:VERSION... DIR copies the jars and all they need into DIR/lib.
maven_jars() {
  local dir=${*: -1} c g a v
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    for c in "${@:1:$#-1}"; do
      IFS=: read -r g a v <<<"$c"
      echo "<dependency><groupId>$g</groupId><artifactId>$a</artifactId><version>$v</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$dir/pom.xml"
  (cd "$dir" && mvn -B -ntp -q dependency:copy-dependencies "-DoutputDirectory=$dir/lib")
}

# java_main NAME JARS SOURCE... DIR compiles classes into DIR/NAME.jar.
java_main() {
  local name=$1 jars=$2 dir=${*: -1}
  need_java
  mkdir "$dir/classes"
  "$JAVA_HOME/bin/javac" --release 17 -nowarn -proc:none -cp "$jars" -d "$dir/classes" "${@:3:$#-3}"
  "$JAVA_HOME/bin/jar" --create --file "$dir/$name.jar" -C "$dir/classes" .
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
    # It goes on when this script is interrupted, with the lock: half a package is worse than a late one.
    "${sudo[@]}" "$HERE/engines.d/lib/apt-install" "$2" 9>&- >"$CACHE/apt.log" 2>&1 || {
      tail -n 10 "$CACHE/apt.log" >&2
      die "cannot install $2"
    }
  ) 7>"$CACHE/.lock"
}
