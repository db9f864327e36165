package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"

	weir "github.com/weirstream/weir"
)

// RootKey wraps every secret at rest (AES-256-GCM). The zero value is no key.
type RootKey [32]byte

// ID tells root keys apart without telling anything of them: 16 hex digits of a hash.
func (k RootKey) ID() string {
	sum := sha256.Sum256(append([]byte("weir root key id\x00"), k[:]...))
	return hex.EncodeToString(sum[:8])
}

// String keeps the key out of logs.
func (k RootKey) String() string { return "root key " + k.ID() }

// Seal encrypts secret for what additional says, under a random nonce that comes first in the result.
func (k RootKey) Seal(secret, additional []byte) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, secret, k.bound(additional)), nil
}

// Open is the secret of Seal. Internal: another key, another purpose, or damage.
func (k RootKey) Open(sealed, additional []byte) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, weir.Errorf(weir.Internal, "sealed bytes are too short")
	}
	secret, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], k.bound(additional))
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "open sealed bytes: %w", err)
	}
	return secret, nil
}

// bound puts the key's id into the additional data.
func (k RootKey) bound(additional []byte) []byte {
	return append([]byte(k.ID()+"\x00"), additional...)
}

func (k RootKey) aead() (cipher.AEAD, error) {
	if k == (RootKey{}) {
		return nil, weir.Errorf(weir.Internal, "there is no root key")
	}
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "set up cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "set up cipher: %w", err)
	}
	return aead, nil
}

// ParseRootKey reads a root key as a person gives it: 64 hex digits, base64 of 32 bytes, or 32 bytes as they are; @FILE
// reads the file. Spaces and ends of lines around text do not matter. Invalid, in a sentence that repeats nothing of the
// key, is anything else.
func ParseRootKey(text string) (RootKey, error) {
	where := "a root key"
	if name, isFile := strings.CutPrefix(text, "@"); isFile {
		where = "the root key in " + name
		b, err := os.ReadFile(name)
		if err != nil {
			return RootKey{}, weir.Errorf(weir.Invalid, "read root key: %w", err)
		}
		text = string(b)
	}
	key, ok := rootKeyOf(text)
	if !ok {
		return RootKey{}, weir.Errorf(weir.Invalid, "%s is 64 hex digits, base64 of 32 bytes, or 32 random bytes; what is given is none of these "+
			"(%d bytes). Make one: openssl rand -hex 32", where, len(text))
	}
	if key == (RootKey{}) {
		return RootKey{}, weir.Errorf(weir.Invalid, "%s is all zeros, which is no key. Make one: openssl rand -hex 32", where)
	}
	return key, nil
}

func rootKeyOf(text string) (key RootKey, ok bool) {
	if len(text) == len(key) && strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return RootKey([]byte(text)), true // 32 bytes that can be typed are half of a key in hex, or a password
	}
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString,
		base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if b, err := decode(text); err == nil && len(b) == len(key) {
			return RootKey(b), true
		}
	}
	return RootKey{}, false
}
