package weir;

import java.io.IOException;
import java.io.StringReader;
import java.text.ParseException;
import java.util.List;
import java.util.function.Function;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.synonym.SolrSynonymParser;
import org.apache.lucene.analysis.synonym.SynonymGraphFilter;
import org.apache.lucene.analysis.synonym.SynonymMap;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexService.IndexCreationContext;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.Analysis;
import org.elasticsearch.index.analysis.CharFilterFactory;
import org.elasticsearch.index.analysis.CustomAnalyzer;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;

/** The synonym filters, rules in Solr's form. The rules are read through the part of the analyzer that stands before them. */
final class Synonyms extends AbstractTokenFilterFactory {
    private final Environment env;
    private final Settings settings;

    Synonyms(IndexSettings index, Environment env, String name, Settings settings) {
        super(name, settings);
        this.env = env;
        this.settings = settings;
    }

    @Override
    public TokenStream create(TokenStream in) {
        throw new IllegalStateException("synonyms [" + name() + "] work in an analyzer only");
    }

    @Override
    public TokenFilterFactory getChainAwareTokenFilterFactory(IndexCreationContext context, TokenizerFactory tokenizer,
            List<CharFilterFactory> chars, List<TokenFilterFactory> before, Function<String, TokenFilterFactory> all) {
        TokenFilterFactory[] filters = before.stream().map(TokenFilterFactory::getSynonymFilter).toArray(TokenFilterFactory[]::new);
        SynonymMap map = read(new CustomAnalyzer(tokenizer, chars.toArray(new CharFilterFactory[0]), filters));
        return new AbstractTokenFilterFactory(name(), settings) {
            @Override
            public TokenStream create(TokenStream in) {
                return map.fst == null ? in : new SynonymGraphFilter(in, map, false);
            }

            @Override
            public TokenFilterFactory getSynonymFilter() {
                return IDENTITY_FILTER;
            }
        };
    }

    private SynonymMap read(Analyzer analyzer) {
        List<String> rules = settings.get("synonyms_path") == null
            ? settings.getAsList("synonyms") : Analysis.getWordList(env, settings, "synonyms_path");
        boolean lenient = settings.getAsBoolean("lenient", false);
        SolrSynonymParser parser = new SolrSynonymParser(true, settings.getAsBoolean("expand", true), analyzer);
        try {
            for (String rule : rules) {
                try {
                    parser.parse(new StringReader(rule));
                } catch (ParseException e) {
                    if (!lenient) throw new IllegalArgumentException("synonyms [" + name() + "]: rule [" + rule + "]", e);
                }
            }
            return parser.build();
        } catch (IOException e) {
            throw new IllegalArgumentException("synonyms [" + name() + "]", e);
        }
    }
}
