import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * One OpenSearch node in the folder that the argument names (config/ in it). The distribution loads its modules from folders
 * that Maven Central does not have; here they are on the class path and named below.
 */
public final class OpenSearchNode extends Node {
    private static final String[] MODULES = {
        "transport.Netty4Plugin", "analysis.common.CommonAnalysisPlugin", "index.mapper.MapperExtrasPlugin",
        "painless.PainlessPlugin", "script.expression.ExpressionPlugin", "script.mustache.MustachePlugin",
        "index.reindex.ReindexPlugin", "join.ParentJoinPlugin", "percolator.PercolatorPlugin",
        "index.rankeval.RankEvalPlugin", "search.aggregations.matrix.MatrixAggregationPlugin",
        "ingest.common.IngestCommonPlugin", "geo.GeoModulePlugin",
    };

    private OpenSearchNode(Environment env, List<Class<? extends Plugin>> modules) {
        super(env, modules, true);
    }

    public static void main(String[] args) throws Exception {
        String home = Path.of(args[0]).toAbsolutePath().toString();
        System.setProperty("opensearch.path.home", home);
        System.setProperty("opensearch.set.netty.runtime.available.processors", "false");

        Settings settings = Settings.builder().put("path.home", home).build();
        Environment env = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), Path.of(home, "config"), () -> "weir");
        LogConfigurator.setNodeName(NODE_NAME_SETTING.get(env.settings()));
        LogConfigurator.configure(env);

        OpenSearchNode node = new OpenSearchNode(env, modules());
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            } finally {
                closed.countDown();
            }
        }));
        node.start();
        closed.await(); // the node's own threads are daemons
    }

    private static List<Class<? extends Plugin>> modules() throws ClassNotFoundException {
        List<Class<? extends Plugin>> found = new ArrayList<>();
        for (String name : MODULES) {
            found.add(Class.forName("org.opensearch." + name).asSubclass(Plugin.class));
        }
        return found;
    }
}
