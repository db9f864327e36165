package weir

import (
	"fmt"
	"strings"
)

// maxKeySegment is the longest file name of Linux file systems, so the longest segment on a directory and on MinIO.
const maxKeySegment = 255

// ValidKey says whether s may be an object key: 1 to 512 bytes, segments of at most 255 [A-Za-z0-9._-] parted by single
// slashes, no segment "." or ".." and none that starts with a dot.
func ValidKey(s string) bool {
	if s == "" || len(s) > 512 {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || len(part) > maxKeySegment {
			return false
		}
		for i := range len(part) {
			c := part[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
				return false
			}
		}
	}
	return true
}

// MasterKey is where a master's bytes are.
func MasterKey(master string) string { return "masters/" + master }

// AssetPrefix is the prefix of every object made of an asset. It ends in a slash.
func AssetPrefix(organisation, asset string) string {
	return "media/" + organisation + "/" + asset + "/"
}

// HeadKey is where the head of a revision is.
func HeadKey(organisation, asset string, revision int) string {
	return fmt.Sprintf("%sheads/%d.json", AssetPrefix(organisation, asset), revision)
}

// ChunkKey is where a chunk of a rendition is; sum is the hex sha256 of the object, of which 16 digits are used. Chunks
// are counted from 0.
func ChunkKey(organisation, asset, rendition string, chunk int, sum string) string {
	return fmt.Sprintf("%s%s/%d-%.16s.cmf", AssetPrefix(organisation, asset), rendition, chunk, sum)
}

// PageKey is where the index page of a chunk is: beside it.
func PageKey(chunkKey string) string { return strings.TrimSuffix(chunkKey, ".cmf") + ".json" }

// InitKey is where an init segment (CMAF header) of a rendition is; sum is the hex sha256 of its bytes.
func InitKey(organisation, asset, rendition, sum string) string {
	return fmt.Sprintf("%s%s/init-%.16s.mp4", AssetPrefix(organisation, asset), rendition, sum)
}

// StillKey is where a picture taken from the asset is; sum is the hex sha256 of its bytes.
func StillKey(organisation, asset, sum string) string {
	return fmt.Sprintf("%sstills/%.16s.jpg", AssetPrefix(organisation, asset), sum)
}
