# shellcheck shell=bash
# Apache Cassandra, one node.
CASSANDRA=5.0.9
IMAGE=cassandra:$CASSANDRA
WAIT=180

engine_version() { echo $CASSANDRA; }

engine_install() {
  need_java
  need_maven "cassandra-$CASSANDRA"
  cached "cassandra-$CASSANDRA" maven_jars "org.apache.cassandra:cassandra-all:$CASSANDRA"
}

cassandra_yaml() {
  cat <<CONF
cluster_name: weir
num_tokens: 16
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:$(port storage)"
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: $(port storage)
native_transport_port: $(port)
start_native_transport: true
commitlog_sync: periodic
commitlog_sync_period: 10000ms
CONF
}

engine_start() {
  local o
  local -a opens=()
  mkdir -p "$DIR/data"
  cassandra_yaml >"$DIR/cassandra.yaml"
  cat >"$DIR/logback.xml" <<'XML'
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%date %-5level %logger{0} %msg%n</pattern></encoder></appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
XML
  for o in java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch java.rmi/sun.rmi.registry java.rmi/sun.rmi.server \
    java.management.rmi/com.sun.jmx.remote.internal.rmi; do opens+=(--add-exports "$o=ALL-UNNAMED"); done
  for o in java.base/java.io java.base/sun.nio.ch; do opens+=(--add-opens "$o=ALL-UNNAMED"); done
  launch "$1" "$JAVA_HOME/bin/java" -Xms256m -Xmx512m -Xss512k -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 \
    -Djava.net.preferIPv4Stack=true -Dio.netty.tryReflectionSetAccessible=true -Dcassandra.skip_wait_for_gossip_to_settle=0 \
    -Dcassandra.ring_delay_ms=2000 "-Dcassandra.jmx.local.port=$(port jmx)" "${opens[@]}" \
    "-Dcassandra.config=file:$DIR/cassandra.yaml" "-Dcassandra.storagedir=$DIR/data" -Dcassandra-foreground=yes \
    "-Dlogback.configurationFile=file:$DIR/logback.xml" -cp "$CACHE/cassandra-$CASSANDRA/lib/*" org.apache.cassandra.service.CassandraDaemon
}

# The native port opens last. Ready is a SUPPORTED frame (6) in answer to OPTIONS (5).
engine_ready() { [[ $(ask_port "$(port)" '\x04\0\0\0\x05\0\0\0\0' 5) == ????????06 ]]; }

engine_url() { echo "cassandra://127.0.0.1:$(port)"; }
