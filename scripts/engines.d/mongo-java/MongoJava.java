import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;

/** A mongo-java-server on a port of 127.0.0.1 with its data in a file: MongoJava PORT FILE. It has an oplog, for change streams. */
public final class MongoJava {
    public static void main(String[] args) {
        MongoServer server = new MongoServer(new H2Backend(args[1]));
        server.enableOplog();
        server.bind("127.0.0.1", Integer.parseInt(args[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
