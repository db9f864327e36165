package ingest

import (
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	weir "github.com/weirstream/weir"
)

// Bounds of what an uploader may say of a file.
const (
	maxMetadataBytes = 8 << 10
	maxNameRunes     = 200
)

// Metadata is what the Upload-Metadata header says that Weir reads.
type Metadata struct {
	Filename string // the last element of what was sent; display only
	Title    string // never empty: the file's name without its extension, or "Untitled"
	SHA256   string // 64 lower-case hex digits, or "" when the uploader promised none
}

// ParseMetadata reads an Upload-Metadata header (tus 1.0, creation extension): pairs of a key and a base64 value, parted by
// commas. Keys other than filename, title and sha256 are ignored, as clients send their own. Invalid: anything malformed,
// given twice or too long.
func ParseMetadata(header string) (Metadata, error) {
	if len(header) > maxMetadataBytes {
		return Metadata{}, weir.Errorf(weir.Invalid, "Upload-Metadata is longer than %d bytes.", maxMetadataBytes)
	}
	values := map[string]string{}
	if strings.TrimSpace(header) != "" {
		for pair := range strings.SplitSeq(header, ",") {
			key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
			value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
			if _, twice := values[key]; key == "" || err != nil || twice {
				return Metadata{}, weir.Errorf(weir.Invalid, "Upload-Metadata is malformed: it is a list of keys, each once, and base64 values.")
			}
			values[key] = string(value)
		}
	}
	m := Metadata{SHA256: strings.ToLower(values["sha256"])}
	if sum, err := hex.DecodeString(m.SHA256); err != nil || len(sum) != 0 && len(sum) != 32 {
		return Metadata{}, weir.Errorf(weir.Invalid, "The sha256 of Upload-Metadata is not 64 hex digits.")
	}
	var ok bool
	if m.Filename, ok = displayName(path.Base("/" + strings.ReplaceAll(values["filename"], `\`, "/"))); !ok {
		return Metadata{}, weir.Errorf(weir.Invalid, "The filename of Upload-Metadata is not text of at most %d characters.", maxNameRunes)
	}
	if m.Filename == "/" {
		m.Filename = ""
	}
	if m.Title, ok = displayName(values["title"]); !ok {
		return Metadata{}, weir.Errorf(weir.Invalid, "The title of Upload-Metadata is not text of at most %d characters.", maxNameRunes)
	}
	if m.Title == "" {
		m.Title = strings.TrimSpace(strings.TrimSuffix(m.Filename, path.Ext(m.Filename)))
	}
	if m.Title == "" {
		m.Title = "Untitled"
	}
	return m, nil
}

// displayName is s without spaces around it, if it is text that a page can show.
func displayName(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxNameRunes || strings.ContainsFunc(s, unicode.IsControl) {
		return "", false
	}
	return s, true
}
