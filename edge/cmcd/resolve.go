package cmcd

import "strings"

// Resolve makes a path of next, which is relative to the canonical path of a request, as RFC 3986 section 5 does. It is
// false for anything that is not below prefix, the canonical path that the request's ticket is for; for what is absolute
// or names a scheme, a host, a query or a fragment; for one that climbs above the root, has an empty part, or characters
// that a path would have to escape. An empty next is the path itself.
func Resolve(path, prefix, next string) (string, bool) {
	if next == "" {
		return path, below(path, prefix)
	}
	if len(next) > maxPath || next[0] == '/' || path == "" || path[0] != '/' {
		return "", false
	}
	first, _, _ := strings.Cut(next, "/")
	if strings.Contains(first, ":") { // a scheme
		return "", false
	}
	for i := range len(next) {
		if !pathByte(next[i]) {
			return "", false
		}
	}
	kept := path[:strings.LastIndexByte(path, '/')] // without the last part and its slash
	for part := range strings.SplitSeq(next, "/") {
		switch part {
		case "":
			return "", false
		case ".":
		case "..":
			up := strings.LastIndexByte(kept, '/')
			if up < 0 {
				return "", false
			}
			kept = kept[:up]
		default:
			kept += "/" + part
		}
	}
	if last := next[strings.LastIndexByte(next, '/')+1:]; last == "." || last == ".." {
		return "", false // a folder
	}
	return kept, below(kept, prefix)
}

// below says whether path is prefix or in the folder of that name.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/"))
}

// pathByte are the characters of a path that need no escape (RFC 3986 section 3.3).
func pathByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
}
