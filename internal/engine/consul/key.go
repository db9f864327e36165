package consul

import (
	"net/url"
	"strings"
)

// escape makes any key one that passes through URLs and through Consul's router, which cleans paths, as it is: what is not
// a letter, a digit or one of -._~ becomes %XX. A slash stays where it parts two names; the names . and .. are escaped.
func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; plain(c) && !dots(key, i) || c == '/' && parts(key, i) {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// unescape is the key that escape made escaped of. It is not ok for anything else, such as a key somebody made by hand.
func unescape(escaped string) (key string, ok bool) {
	key, err := url.PathUnescape(escaped)
	return key, err == nil && key != "" && escape(key) == escaped
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// parts says whether the slash at i has names on both sides.
func parts(key string, i int) bool {
	return i > 0 && i < len(key)-1 && key[i-1] != '/' && key[i+1] != '/'
}

// dots says whether i lies in a name that is . or ..
func dots(key string, i int) bool {
	if key[i] != '.' {
		return false
	}
	name := key[strings.LastIndexByte(key[:i], '/')+1:]
	if end := strings.IndexByte(name, '/'); end >= 0 {
		name = name[:end]
	}
	return name == "." || name == ".."
}
