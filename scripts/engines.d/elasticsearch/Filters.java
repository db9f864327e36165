package weir;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.apache.lucene.analysis.CharArraySet;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.en.EnglishPossessiveFilter;
import org.apache.lucene.analysis.en.PorterStemFilter;
import org.apache.lucene.analysis.miscellaneous.ASCIIFoldingFilter;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.miscellaneous.TrimFilter;
import org.apache.lucene.analysis.miscellaneous.WordDelimiterGraphFilter;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenFilter;
import org.apache.lucene.analysis.ngram.NGramTokenFilter;
import org.apache.lucene.analysis.snowball.SnowballFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.NormalizingTokenFilterFactory;
import org.elasticsearch.index.analysis.PreConfiguredTokenFilter;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;

/** Token filters by their names in index settings. */
final class Filters {
    private Filters() {}

    static Map<String, AnalysisProvider<TokenFilterFactory>> configured() {
        Map<String, AnalysisProvider<TokenFilterFactory>> all = new HashMap<>();
        all.put("lowercase", of(Kind.CHARACTERS, s -> LowerCaseFilter::new));
        all.put("trim", of(Kind.CHARACTERS, s -> TrimFilter::new));
        all.put("asciifolding", of(Kind.CHARACTERS, s -> {
            boolean both = s.getAsBoolean("preserve_original", false);
            return in -> new ASCIIFoldingFilter(in, both);
        }));
        all.put("remove_duplicates", of(Kind.TOKENS, s -> RemoveDuplicatesTokenFilter::new));
        all.put("porter_stem", of(Kind.TOKENS, s -> PorterStemFilter::new));
        all.put("stemmer", AnalysisPlugin.requiresAnalysisSettings(of(Kind.TOKENS, Filters::stemmer)));
        all.put("edge_ngram", of(Kind.MANY, s -> {
            int min = s.getAsInt("min_gram", 1);
            int max = s.getAsInt("max_gram", 2);
            boolean both = s.getAsBoolean("preserve_original", false);
            return in -> new EdgeNGramTokenFilter(in, min, max, both);
        }));
        all.put("ngram", of(Kind.MANY, s -> {
            int min = s.getAsInt("min_gram", 1);
            int max = s.getAsInt("max_gram", 2);
            boolean both = s.getAsBoolean("preserve_original", false);
            return in -> new NGramTokenFilter(in, min, max, both);
        }));
        all.put("word_delimiter_graph", of(Kind.MANY, Filters::wordDelimiter));
        all.put("synonym", AnalysisPlugin.requiresAnalysisSettings(Synonyms::new));
        all.put("synonym_graph", AnalysisPlugin.requiresAnalysisSettings(Synonyms::new));
        return all;
    }

    static List<PreConfiguredTokenFilter> plain() {
        return List.of(
            PreConfiguredTokenFilter.singleton("asciifolding", true, ASCIIFoldingFilter::new),
            PreConfiguredTokenFilter.singleton("trim", true, TrimFilter::new),
            PreConfiguredTokenFilter.singleton("porter_stem", false, PorterStemFilter::new),
            PreConfiguredTokenFilter.singleton("remove_duplicates", false, RemoveDuplicatesTokenFilter::new));
    }

    private static UnaryOperator<TokenStream> stemmer(Settings s) {
        String language = s.get("language", s.get("name", "english")).toLowerCase(Locale.ROOT);
        switch (language) {
            case "english":
                return PorterStemFilter::new;
            case "possessive_english":
                return EnglishPossessiveFilter::new;
            default: // Lucene's snowball stemmers are called French, German, ...
                String name = language.substring(0, 1).toUpperCase(Locale.ROOT) + language.substring(1);
                return in -> new SnowballFilter(in, name);
        }
    }

    private static UnaryOperator<TokenStream> wordDelimiter(Settings s) {
        int base = WordDelimiterGraphFilter.GENERATE_WORD_PARTS | WordDelimiterGraphFilter.GENERATE_NUMBER_PARTS
            | WordDelimiterGraphFilter.SPLIT_ON_CASE_CHANGE | WordDelimiterGraphFilter.SPLIT_ON_NUMERICS
            | WordDelimiterGraphFilter.STEM_ENGLISH_POSSESSIVE;
        int flags = s.getAsBoolean("preserve_original", false) ? base | WordDelimiterGraphFilter.PRESERVE_ORIGINAL : base;
        return in -> new WordDelimiterGraphFilter(in, flags, CharArraySet.EMPTY_SET);
    }

    /** What a filter works on, which decides where else the server lets it in. */
    private enum Kind {
        /** Letters only: allowed in normalizers of keyword fields. */
        CHARACTERS,
        /** Whole tokens, one for one. */
        TOKENS,
        /** One token becomes many: left out where synonym rules are read. */
        MANY,
    }

    private static AnalysisProvider<TokenFilterFactory> of(Kind kind, Function<Settings, UnaryOperator<TokenStream>> make) {
        return (index, env, name, settings) -> {
            UnaryOperator<TokenStream> wrap = make.apply(settings);
            switch (kind) {
                case CHARACTERS:
                    return new Characters(name, settings, wrap);
                case MANY:
                    return new Many(name, settings, wrap);
                default:
                    return new Tokens(name, settings, wrap);
            }
        };
    }

    private static class Tokens extends AbstractTokenFilterFactory {
        private final UnaryOperator<TokenStream> wrap;

        Tokens(String name, Settings settings, UnaryOperator<TokenStream> wrap) {
            super(name, settings);
            this.wrap = wrap;
        }

        @Override
        public TokenStream create(TokenStream in) {
            return wrap.apply(in);
        }
    }

    private static final class Characters extends Tokens implements NormalizingTokenFilterFactory {
        Characters(String name, Settings settings, UnaryOperator<TokenStream> wrap) {
            super(name, settings, wrap);
        }
    }

    private static final class Many extends Tokens {
        Many(String name, Settings settings, UnaryOperator<TokenStream> wrap) {
            super(name, settings, wrap);
        }

        @Override
        public boolean breaksFastVectorHighlighter() {
            return true;
        }

        @Override
        public TokenFilterFactory getSynonymFilter() {
            return IDENTITY_FILTER;
        }
    }
}
