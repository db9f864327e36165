package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

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
