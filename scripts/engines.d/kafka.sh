# shellcheck shell=bash
# Apache Kafka without ZooKeeper: `kafka` is one node that is broker and controller, `kafka3` three of them.
KAFKA=4.4.0
IMAGE=apache/kafka:$KAFKA
CLUSTER_ID=d2VpcnRlc3RlbmdpbmVzMQ
WAIT=180
[ "$ENGINE" = kafka ] || PARTS=(1 2 3)

engine_version() { echo $KAFKA; }

engine_install() {
  need_java
  need_maven "kafka-$KAFKA"
  cached "kafka-$KAFKA" maven_jars "org.apache.kafka:kafka_2.13:$KAFKA" org.slf4j:slf4j-simple:1.7.36
}

controller_port() { port "controller$1"; }

kafka_config() {
  local n=$1 p voters="" replicas=${#PARTS[@]}
  for p in "${PARTS[@]}"; do voters+=${voters:+,}$p@127.0.0.1:$(controller_port "$p"); done
  cat <<CONF
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$(part_port "$n"),CONTROLLER://127.0.0.1:$(controller_port "$n")
advertised.listeners=PLAINTEXT://127.0.0.1:$(part_port "$n")
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$DIR/data$n
num.partitions=3
default.replication.factor=$replicas
offsets.topic.replication.factor=$replicas
transaction.state.log.replication.factor=$replicas
min.insync.replicas=$(((replicas + 1) / 2))
transaction.state.log.min.isr=$(((replicas + 1) / 2))
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
broker.session.timeout.ms=$((replicas * 2000))
broker.heartbeat.interval.ms=500
CONF
}

engine_start() {
  local n=$1 conf=$DIR/server$1.properties cp="$CACHE/kafka-$KAFKA/lib/*"
  mkdir -p "$DIR/data$n"
  kafka_config "$n" >"$conf"
  [ -f "$DIR/data$n/meta.properties" ] ||
    "$JAVA_HOME/bin/java" -Xmx128m -XX:TieredStopAtLevel=1 -cp "$cp" kafka.tools.StorageTool format --ignore-formatted -t $CLUSTER_ID -c "$conf" >"$DIR/format$n.log" 2>&1 ||
    failed "format$n" "$ENGINE cannot format its folder"
  launch "$n" "$JAVA_HOME/bin/java" -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$cp" kafka.Kafka "$conf"
}

# answers PORT: the broker answers an ApiVersions request (18) with our correlation id, 7.
answers() { [[ $(ask_port "$1" '\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff' 8) == ????????00000007 ]]; }

engine_ready() {
  local p
  for p in "${PARTS[@]}"; do answers "$(part_port "$p")" || return 1; done
}

engine_url() {
  local p list=
  for p in "${PARTS[@]}"; do list+=${list:+,}127.0.0.1:$(part_port "$p"); done
  echo "kafka://$list"
}
