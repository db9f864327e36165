package weir

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// DefaultOrganisation is the one organisation of a laptop. Every stored row, object and fact names its organisation.
const DefaultOrganisation = "default"

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a globally unique id of 26 characters [0-9a-z]: 48 bits of now in milliseconds, so that ids sort by the
// time they were made, then 80 random bits.
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails
	return idEncoding.EncodeToString(b[:])
}

// ValidID says whether s may name an organisation, asset, master or rendition: 1 to 64 characters of [a-z0-9-], starting
// with a letter or digit. It is therefore always a safe path segment.
func ValidID(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
