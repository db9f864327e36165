# shellcheck shell=bash
# OpenSearch, one node, from the jars of Maven Central: the server with the modules of its distribution on the class path.
OPENSEARCH=2.19.6
IMAGE=opensearchproject/opensearch:$OPENSEARCH
WAIT=180
OPENSEARCH_MAIN=$HERE/engines.d/opensearch/OpenSearchNode.java

engine_version() { echo $OPENSEARCH; }

engine_install() {
  local m
  need_java
  local -a jars=("org.opensearch:opensearch:$OPENSEARCH" org.apache.logging.log4j:log4j-core:2.25.4)
  for m in transport-netty4-client analysis-common mapper-extras-client lang-painless opensearch-scripting-painless-spi lang-expression \
    lang-mustache-client reindex-client parent-join-client percolator-client rank-eval-client aggs-matrix-stats-client ingest-common geo; do
    jars+=("org.opensearch.plugin:$m:$OPENSEARCH")
  done
  need_maven "opensearch-$OPENSEARCH"
  cached "opensearch-$OPENSEARCH" maven_jars "${jars[@]}"
  cached "$(main_name)" java_main main "$CACHE/opensearch-$OPENSEARCH/lib/*" "$OPENSEARCH_MAIN"
}

main_name() { echo "opensearch-$OPENSEARCH-main-$(digest "$OPENSEARCH_MAIN")"; }

engine_start() {
  mkdir -p "$DIR/config" "$DIR/tmp"
  cat >"$DIR/config/opensearch.yml" <<CONF
cluster.name: weir
node.name: weir
path.data: $DIR/data
network.host: 127.0.0.1
http.port: $(port)
transport.port: $(port transport)
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
CONF
  cat >"$DIR/config/log4j2.properties" <<'CONF'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
CONF
  launch "$1" "$JAVA_HOME/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true \
    -Dio.netty.recycler.maxCapacityPerThread=0 -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true -Djna.nosys=true \
    "-Djava.io.tmpdir=$DIR/tmp" -cp "$CACHE/$(main_name)/main.jar:$CACHE/opensearch-$OPENSEARCH/lib/*" OpenSearchNode "$DIR"
}

engine_ready() { curl -fsS -m 3 "http://127.0.0.1:$(port)/_cluster/health?wait_for_status=yellow&timeout=2s"; }

engine_url() { echo "http://127.0.0.1:$(port)"; }
