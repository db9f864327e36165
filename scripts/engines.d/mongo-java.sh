# shellcheck shell=bash
# mongo-java-server, one of two servers that speak MongoDB's protocol and can be had as packages. Its data is in an H2 file.
# Known gaps: no transactions, $jsonSchema is taken and not enforced.
MONGO_JAVA=1.47.0
MONGO_JAVA_MAIN=$HERE/engines.d/mongo-java/MongoJava.java

engine_version() { echo $MONGO_JAVA; }

engine_install() {
  need_java
  need_maven "mongo-java-$MONGO_JAVA"
  cached "mongo-java-$MONGO_JAVA" maven_jars "de.bwaldvogel:mongo-java-server:$MONGO_JAVA" "de.bwaldvogel:mongo-java-server-h2-backend:$MONGO_JAVA" \
    org.slf4j:slf4j-simple:2.0.17
  cached "$(main_name)" java_main main "$CACHE/mongo-java-$MONGO_JAVA/lib/*" "$MONGO_JAVA_MAIN"
}

main_name() { echo "mongo-java-$MONGO_JAVA-main-$(digest "$MONGO_JAVA_MAIN")"; }

engine_start() {
  mkdir -p "$DIR/data"
  launch "$1" "$JAVA_HOME/bin/java" -Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -cp "$CACHE/$(main_name)/main.jar:$CACHE/mongo-java-$MONGO_JAVA/lib/*" MongoJava "$(port)" "$DIR/data/mongo.h2"
}

engine_ready() { mongo_pings "$(port)"; }

engine_url() { echo "mongodb://127.0.0.1:$(port)"; }
