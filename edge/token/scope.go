package token

import (
	"strings"

	weir "github.com/weirstream/weir"
)

// plainPath refuses what a lenient reader could take for another path: escapes, empty and dot segments. The error is
// Forbidden.
func plainPath(path string) error {
	if len(path) < 2 || path[0] != '/' {
		return refused("the path names nothing")
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part[0] == '.' {
			return refused("the path has an empty segment or one that starts with a dot")
		}
		for i := range len(part) {
			c := part[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
				return refused("the path has a character that no address here has")
			}
		}
	}
	return nil
}

// plainHost refuses a Host that holds part of a path: formats that sign scheme, host and path as one text would take
// "edge.example/a" and "/x" for "edge.example" and "/a/x".
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:[]", rune(c)) {
			return false
		}
	}
	return len(host) <= 255
}

// widest is the shortest directory above path that covers allows whole: "<a>/", "<a>/<b>/" ...; covers gets it with its
// leading slash. Directories that no native ticket can name are passed over: it is "" if none is left.
func widest(path string, covers func(dir string) bool) string {
	for i := 1; i < len(path) && len(path[:i]) <= 255; i++ {
		if path[i] != '/' {
			continue
		}
		if name := path[strings.LastIndexByte(path[:i], '/')+1 : i]; !weir.ValidID(name) {
			return ""
		}
		if covers(path[:i+1]) {
			return path[1 : i+1]
		}
	}
	return ""
}

// glob matches with * (any run, slashes too) and ? (one byte). It is linear in practice and quadratic at worst, of inputs
// that are bounded by maxText.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globOpens says whether pattern allows everything that begins with dir: its last star takes the rest.
func globOpens(pattern, dir string) bool {
	return strings.HasSuffix(pattern, "*") && glob(pattern, dir)
}
