# shellcheck shell=bash
# Elasticsearch, one node: the genuine server as Maven Central has it, which is without most modules. elasticsearch/*.java is
# a module that brings the common analysis components and GET /. Still missing: painless, reindex, search_as_you_type.
ELASTICSEARCH=8.19.21
IMAGE=docker.elastic.co/elasticsearch/elasticsearch:$ELASTICSEARCH
WAIT=240

engine_version() { echo $ELASTICSEARCH; }

engine_install() {
  need_java
  need_maven "$(home_name)"
  cached "$(home_name)" build_elasticsearch
}

home_name() { echo "elasticsearch-$ELASTICSEARCH-$(digest "$HERE"/engines.d/elasticsearch/*.java)"; }

build_elasticsearch() {
  local home
  (cd "$1" && mvn -B -ntp -q dependency:copy -DoutputDirectory=. \
    "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$ELASTICSEARCH:zip" && "$JAVA_HOME/bin/jar" xf ./*.zip && rm ./*.zip)
  home=$1/elasticsearch-$ELASTICSEARCH
  chmod +x "$home"/bin/*
  java_main module "$home/lib/*" "$HERE"/engines.d/elasticsearch/*.java "$1"
  mkdir "$home/modules/weir"
  mv "$1/module.jar" "$home/modules/weir/weir.jar"
  cat >"$home/modules/weir/plugin-descriptor.properties" <<CONF
name=weir
description=The common analysis components and GET /
version=1
classname=weir.WeirModule
java.version=17
elasticsearch.version=$ELASTICSEARCH
CONF
}

# es_home prints the program's folder. Root's cache is closed to the user that the server runs as, so root makes a copy.
es_home() {
  local name home copy
  name=$(home_name)
  home=$CACHE/$name/elasticsearch-$ELASTICSEARCH copy=$PLACE/$name
  [ "$(id -u)" -eq 0 ] || { echo "$home"; return; }
  if [ ! -d "$copy" ]; then
    rm -rf "$PLACE"/elasticsearch-* "$PLACE/copying"
    cp -r "$home" "$PLACE/copying"
    chown -R nobody "$PLACE/copying" # whatever the umask was
    mv "$PLACE/copying" "$copy"
  fi
  echo "$copy"
}

engine_start() {
  local home
  as_user nobody
  home=$(es_home)
  mkdir -p "$PLACE/config" "$PLACE/data" "$PLACE/logs" "$PLACE/tmp"
  cat >"$PLACE/config/elasticsearch.yml" <<CONF
cluster.name: weir
node.name: weir
path.data: $PLACE/data
path.logs: $PLACE/logs
network.host: 127.0.0.1
http.port: $(port)
transport.port: $(port transport)
discovery.type: single-node
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
CONF
  cat >"$PLACE/config/log4j2.properties" <<'CONF'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
CONF
  grep -v -e '^#' -e G1GC -e Xlog: -e HeapDump -e ErrorFile "$home/config/jvm.options" >"$PLACE/config/jvm.options"
  [ "$(id -u)" -ne 0 ] || chown -R nobody "$PLACE/config" "$PLACE/data" "$PLACE/logs" "$PLACE/tmp"
  ES_JAVA_HOME=$JAVA_HOME ES_JAVA_OPTS="-Xms512m -Xmx512m -XX:+UseSerialGC" ES_PATH_CONF=$PLACE/config ES_TMPDIR=$PLACE/tmp \
    launch "$1" "$home/bin/elasticsearch"
}

engine_ready() { curl -fsS -m 3 "http://127.0.0.1:$(port)/_cluster/health?wait_for_status=yellow&timeout=2s"; }

engine_url() { echo "http://127.0.0.1:$(port)"; }
