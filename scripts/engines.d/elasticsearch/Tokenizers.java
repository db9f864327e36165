package weir;

import java.io.Reader;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.charfilter.HTMLStripCharFilter;
import org.apache.lucene.analysis.core.KeywordTokenizer;
import org.apache.lucene.analysis.core.LetterTokenizer;
import org.apache.lucene.analysis.core.WhitespaceTokenizer;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenizer;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.analysis.AbstractCharFilterFactory;
import org.elasticsearch.index.analysis.AbstractTokenizerFactory;
import org.elasticsearch.index.analysis.CharFilterFactory;
import org.elasticsearch.index.analysis.PreConfiguredCharFilter;
import org.elasticsearch.index.analysis.PreConfiguredTokenizer;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;

/** Tokenizers and character filters by their names in index settings. */
final class Tokenizers {
    private Tokenizers() {}

    static Map<String, AnalysisProvider<TokenizerFactory>> configured() {
        return Map.of(
            "keyword", of(s -> KeywordTokenizer::new),
            "letter", of(s -> LetterTokenizer::new),
            "whitespace", of(s -> WhitespaceTokenizer::new),
            "edge_ngram", of(s -> {
                int min = s.getAsInt("min_gram", 1);
                int max = s.getAsInt("max_gram", 2);
                return () -> new EdgeNGramTokenizer(min, max);
            }));
    }

    static List<PreConfiguredTokenizer> plain() {
        return List.of(
            PreConfiguredTokenizer.singleton("keyword", KeywordTokenizer::new),
            PreConfiguredTokenizer.singleton("letter", LetterTokenizer::new),
            PreConfiguredTokenizer.singleton("whitespace", WhitespaceTokenizer::new));
    }

    static Map<String, AnalysisProvider<CharFilterFactory>> charFilters() {
        return Map.of("html_strip", (index, env, name, settings) -> new AbstractCharFilterFactory(name) {
            @Override
            public Reader create(Reader in) {
                return new HTMLStripCharFilter(in);
            }
        });
    }

    static List<PreConfiguredCharFilter> plainCharFilters() {
        return List.of(PreConfiguredCharFilter.singleton("html_strip", false, HTMLStripCharFilter::new));
    }

    private static AnalysisProvider<TokenizerFactory> of(Function<Settings, Supplier<Tokenizer>> make) {
        return (index, env, name, settings) -> {
            Supplier<Tokenizer> tokenizer = make.apply(settings);
            return new AbstractTokenizerFactory(index, settings, name) {
                @Override
                public Tokenizer create() {
                    return tokenizer.get();
                }
            };
        };
    }
}
